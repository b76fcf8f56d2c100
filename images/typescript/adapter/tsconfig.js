// What a tsconfig.json says of modules: where compiled files are, and what
// path aliases mean. How files are compiled, esbuild reads from it by itself.
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const { createRequire } = require("node:module");
const { Problem } = require("./failure.js");

const known = new Map();

// of returns the compilerOptions that hold in a folder, with what they extend.
// outDir, rootDir, baseUrl and pathsBase are whole paths.
function of(folder) {
  if (!known.has(folder)) {
    const file = path.join(folder, "tsconfig.json");
    const parent = path.dirname(folder);
    known.set(folder, fs.existsSync(file) ? read(file, []) : parent === folder ? {} : of(parent));
  }
  return known.get(folder);
}

function read(file, from) {
  if (from.includes(file)) throw new Problem(`${file} extends itself, by ${from.join(", ")}`);
  const config = parse(file);
  const folder = path.dirname(file);
  const options = {};
  for (const base of [config.extends ?? []].flat()) Object.assign(options, read(find(base, file), [...from, file]));
  const own = { ...config.compilerOptions };
  for (const key of ["outDir", "rootDir", "baseUrl"]) if (own[key]) own[key] = path.resolve(folder, own[key].replaceAll("${configDir}", folder));
  if (own.paths) own.pathsBase = folder;
  return Object.assign(options, own, { file });
}

// parse reads JSON with comments and commas at the end of lists.
function parse(file) {
  const text = fs.readFileSync(file, "utf8").replace(/^\ufeff/, "");
  const string = /("(?:\\.|[^"\\])*")/.source;
  const bare = text.replace(new RegExp(string + /|\/\/[^\n]*|\/\*[^]*?\*\//.source, "g"), "$1");
  const strict = bare.replace(new RegExp(string + /|,(?=\s*[}\]])/.source, "g"), "$1");
  try {
    return JSON.parse(strict);
  } catch (error) {
    throw new Problem(`${file} is not a tsconfig: ${error.message}`);
  }
}

// find is the file that "extends" means: a path, or one in a package.
function find(base, file) {
  const require = createRequire(file);
  const target = /^\.{1,2}(\/|$)/.test(base) ? path.resolve(path.dirname(file), base) : base;
  for (const name of [target, `${target}.json`, `${target}/tsconfig.json`]) {
    try {
      const found = require.resolve(name);
      if (found.endsWith(".json")) return found;
    } catch {
      // The next one.
    }
  }
  throw new Problem(`${file} extends ${base}, which is not there; copy it along, or install it`);
}

// compiled yields where the compiler puts what it makes of stem, a source's
// path without its extension.
function* compiled(stem, extensions) {
  let options;
  try {
    options = of(path.dirname(stem));
  } catch {
    return; // a finished function need not have all that its tsconfig extends
  }
  if (!options.outDir) return;
  const base = options.rootDir ?? path.dirname(options.file);
  const places = [path.relative(base, stem)];
  // Without rootDir the compiler takes the folder that all sources are in.
  if (!options.rootDir) places.push(places[0].split(path.sep).slice(1).join(path.sep));
  for (const place of places) {
    if (!place || place.startsWith("..")) continue;
    for (const extension of extensions) yield path.join(options.outDir, place + extension);
  }
}

// aliases yields the paths, without an extension, that a specifier may stand
// for by paths and baseUrl. The pattern with the longest beginning counts.
function* aliases(specifier, options) {
  let best;
  for (const pattern of Object.keys(options.paths ?? {})) {
    const [head, tail] = pattern.split("*");
    const match = tail === undefined ? specifier === pattern : specifier.startsWith(head) && specifier.endsWith(tail) && specifier.length >= head.length + tail.length;
    const rank = tail === undefined ? Infinity : head.length;
    if (match && (!best || rank > best.rank)) best = { pattern, rank, star: tail === undefined ? "" : specifier.slice(head.length, specifier.length - tail.length) };
  }
  if (best) {
    for (const target of options.paths[best.pattern]) {
      yield path.resolve(options.baseUrl ?? options.pathsBase, target.replaceAll("${configDir}", path.dirname(options.file)).replace("*", () => best.star));
    }
  }
  if (options.baseUrl) yield path.resolve(options.baseUrl, specifier);
}

module.exports = { of, compiled, aliases };
