// Has Node.js load TypeScript as the compiler understands it: modules are
// found by tsconfig's aliases and without extensions, and are transpiled. They
// keep their own names, for import.meta.url, __dirname and stack traces.
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const nodeModule = require("node:module");
const { fileURLToPath, pathToFileURL } = require("node:url");
const sourcemap = require("./sourcemap.js");
const { isSource } = require("./sources.js");
const transpile = require("./transpile.js");
const tsconfig = require("./tsconfig.js");

let registered;

// register makes the sources below dir loadable. Without esbuild, in images of
// Node.js alone, it leaves them to Node.js, which strips types.
function register(dir) {
  if (!transpile.available()) return undefined;
  registered ??= (async () => {
    sourcemap.enable();
    nodeModule.registerHooks({ resolve, load });
    await transpile.all(dir);
  })();
  return registered;
}

function resolve(specifier, context, next) {
  const file = found(specifier, context.parentURL);
  if (!file) return next(specifier, context);
  if (isSource(file)) return { url: pathToFileURL(fs.realpathSync(file)).href, shortCircuit: true };
  // require knows paths, import URLs.
  return next([...context.conditions].includes("require") ? file : pathToFileURL(file).href, context);
}

// found is the file that a specifier of the function's own code means, where
// Node.js would not find it.
function found(specifier, parent) {
  if (!parent?.startsWith("file:") || nodeModule.isBuiltin(specifier) || /^[a-z]+:/i.test(specifier)) return undefined;
  const from = fileURLToPath(parent);
  if (from.includes("/node_modules/")) return undefined;
  if (/^(\.{1,2}(\/|$)|\/)/.test(specifier)) return fileOf(path.resolve(path.dirname(from), specifier));
  for (const stem of tsconfig.aliases(specifier, tsconfig.of(path.dirname(from)))) {
    const file = fileOf(stem);
    if (file) return file;
  }
  return undefined;
}

// Sources are named in imports like what is made of them.
const sources = { ".js": [".ts", ".tsx"], ".mjs": [".mts"], ".cjs": [".cts"], ".jsx": [".tsx"] };
const endings = [".ts", ".tsx", ".mts", ".cts", ".js", ".mjs", ".cjs", ".json"];

function fileOf(stem) {
  const extension = path.extname(stem);
  const tries = [
    stem,
    ...(sources[extension] ?? []).map((e) => stem.slice(0, -extension.length) + e),
    ...endings.map((e) => stem + e),
    ...endings.map((e) => path.join(stem, `index${e}`)),
  ];
  return tries.find((file) => fs.statSync(file, { throwIfNoEntry: false })?.isFile());
}

function load(url, context, next) {
  if (!url.startsWith("file:") || !isSource(url)) return next(url, context);
  const file = fileURLToPath(url);
  const imported = [...(context.conditions ?? [])].includes("import");
  if (imported && requireAsksNobody && transpile.formatOf(file) === "cjs") return { format: "module", source: wrapped(file), shortCircuit: true };
  return { ...transpile.one(file), shortCircuit: true };
}

// In Node.js 22 the require of CommonJS that an import has loaded asks no
// hooks, and so knows neither aliases nor TypeScript.
const requireAsksNobody = Number(process.versions.node.split(".")[0]) < 24;

// wrapped is a module that exports what CommonJS in file does, loaded by a
// require that asks.
function wrapped(file) {
  const exported = nodeModule.createRequire(file)(file);
  const names = Object.keys(Object(exported)).filter((name) => name !== "default" && name !== "module.exports");
  return `import { createRequire } from "node:module";
const exported = createRequire(import.meta.url)(${JSON.stringify(file)});
export { exported as default, exported as "module.exports" };
${names.map((name, i) => `const e${i} = exported[${JSON.stringify(name)}]; export { e${i} as ${JSON.stringify(name)} };`).join("\n")}
`;
}

module.exports = { register };
