// Imports of compiled files as Node.js can follow them: the compiler leaves
// tsconfig's aliases and missing extensions as they were written.
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const tsconfig = require("../node/tsconfig.js");
const { imports } = require("./imports.js");

const endings = ["", ".ts", ".tsx", ".mts", ".cts", ".js", ".mjs", ".cjs", ".json", "/index.ts", "/index.tsx", "/index.mts", "/index.cts", "/index.js"];

// rewrite changes the compiled files among these, and returns how many.
function rewrite(made) {
  const scripts = made.filter((file) => /\.[cm]?js$/.test(file));
  // Which file was compiled to which is in the source maps.
  const compiled = new Map();
  const source = new Map();
  for (const file of scripts) {
    const from = sourceOf(file);
    if (!from) continue;
    compiled.set(from, file);
    source.set(file, from);
  }
  let changed = 0;
  for (const [file, from] of source) {
    const text = fs.readFileSync(file, "utf8");
    const next = imports(text, (specifier) => change(specifier, file, from, compiled));
    if (next === text) continue;
    fs.writeFileSync(file, next);
    changed++;
  }
  return changed;
}

// change is the specifier as it must be, itself where it is right.
function change(specifier, file, from, compiled) {
  const folder = path.dirname(from);
  const relative = /^\.{1,2}(\/|$)/.test(specifier);
  const stems = relative ? [path.resolve(folder, specifier)] : tsconfig.aliases(specifier, tsconfig.of(folder));
  for (const stem of stems) {
    // ./util.js is what the source calls util.ts.
    for (const base of [stem, stem.replace(/\.([cm]?)jsx?$/, ".$1ts"), stem.replace(/\.jsx?$/, ".tsx")]) {
      for (const ending of endings) {
        const to = compiled.get(base + ending) ?? (!relative && isFile(base + ending) ? base + ending : undefined);
        if (to) return to === file && relative ? specifier : dotted(path.relative(path.dirname(file), to));
      }
    }
  }
  return specifier;
}

const isFile = (file) => fs.statSync(file, { throwIfNoEntry: false })?.isFile() ?? false;
const dotted = (relative) => (relative.startsWith(".") ? relative : `./${relative}`);

// sourceOf is the file that a compiled one was made from, by its source map.
function sourceOf(file) {
  const text = fs.readFileSync(file, "utf8");
  const url = /\/\/# sourceMappingURL=(\S+)\s*$/.exec(text)?.[1];
  if (!url) return undefined;
  const inline = /^data:[^,]*;base64,(.*)$/.exec(url)?.[1];
  const at = path.resolve(path.dirname(file), decodeURIComponent(inline ? "" : url));
  const map = JSON.parse(inline ? Buffer.from(inline, "base64").toString() : fs.readFileSync(at, "utf8"));
  return path.resolve(inline ? path.dirname(file) : path.dirname(at), map.sourceRoot ?? "", map.sources[0]);
}

module.exports = { rewrite };
