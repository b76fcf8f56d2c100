// The module and the export that FC_FUNCTION_HANDLER names: "index.handler",
// "src/index.handler", "index.api.handler".
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const { pathToFileURL } = require("node:url");
const { Problem } = require("./failure.js");

// What Node.js runs as it is, in the order of preference, and what is first
// made into that.
const runnable = [".js", ".mjs", ".cjs"];
const typescript = [".ts", ".mts", ".cts"];

// load loads the handler from the folder dir.
async function load(dir, named) {
  const { file, exported } = find(dir, named);
  const module = await open(dir, file);
  const handler = dig(module, exported);
  if (!handler) {
    throw new Problem(`${shown(dir, file)} exports no function "${exported}", which the handler "${named}" names; it exports ${list(module)}`);
  }
  return {
    handler,
    // hook returns the function of the first of these names that there is, or
    // the one that the platform names like a handler.
    async hook(names, other) {
      if (!other) return names.map((n) => dig(module, n)).find((found) => found);
      const at = find(dir, other);
      const found = dig(await open(dir, at.file), at.exported);
      if (!found) throw new Problem(`${shown(dir, at.file)} exports no function "${at.exported}", which "${other}" names`);
      return found;
    },
  };
}

// find returns the file, and the name of its export: the dots of a name may
// belong to the file or to the export, and the longest file wins.
function find(dir, named) {
  const tried = [];
  const base = named.lastIndexOf("/") + 1;
  for (let dot = named.lastIndexOf("."); dot > base; dot = named.lastIndexOf(".", dot - 1)) {
    const stem = named.slice(0, dot);
    const exported = named.slice(dot + 1);
    for (const file of candidates(dir, stem)) {
      if (fs.statSync(file, { throwIfNoEntry: false })?.isFile()) return { file, exported };
      tried.push(shown(dir, file));
    }
  }
  if (!tried.length) {
    throw new Problem(`the handler "${named}" is not of the form FILE.EXPORT, as in index.handler; set FC_FUNCTION_HANDLER`);
  }
  throw new Problem(`the handler "${named}" has no file in ${dir}: there is none of ${[...new Set(tried)].join(", ")}; copy it there or set FC_FUNCTION_HANDLER`);
}

// candidates are the files that a stem may mean: compiled ones first.
function* candidates(dir, stem) {
  for (const extension of runnable) yield path.resolve(dir, stem + extension);
  if (fs.existsSync(path.join(dir, "tsconfig.json"))) yield* require("./tsconfig.js").compiled(path.resolve(dir, stem), runnable);
  for (const extension of typescript) yield path.resolve(dir, stem + extension);
}

// open loads a module.
async function open(dir, file) {
  const compiles = typescript.includes(path.extname(file));
  if (compiles) await require("./typescript.js").register(dir);
  else require("./sourcemap.js").enable(file);
  try {
    // require is the quicker way, for what is surely no module with a
    // top-level await.
    return compiles || isESM(file) ? await import(pathToFileURL(file)) : require(file);
  } catch (error) {
    if (error.code === "ERR_REQUIRE_ASYNC_MODULE" && !isScript(file)) return import(pathToFileURL(file));
    if (error.code === "ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX") {
      throw new Problem(`${error.message.split("\n")[0]} (${shown(dir, file)} or what it imports): Node.js itself only strips types; use the typescript image, which knows the whole language, or compile it`);
    }
    if (error.code === "MODULE_NOT_FOUND" || error.code === "ERR_MODULE_NOT_FOUND") {
      throw new Problem(`${shown(dir, file)} cannot be loaded: ${error.message.split("\n")[0]}; is it installed (npm ci) and copied into the image?`);
    }
    throw error;
  }
}

// isESM goes by the name, and for .js by package.json.
function isESM(file) {
  const extension = path.extname(file);
  if (extension === ".js") return require("./package.js").typeOf(path.dirname(file)) === "module";
  return extension === ".mjs";
}

// isScript says whether the file has CommonJS's syntax.
function isScript(file) {
  const source = fs.readFileSync(file, "utf8").replace(/^#!.*/, "");
  try {
    new (require("node:vm").Script)(`(function () {${source}\n})`);
    return true;
  } catch {
    return false;
  }
}

// dig returns a function that is exported, or is the property of an export,
// with what it belongs to, which it knows as this. CommonJS may be below a
// default export.
function dig(module, name) {
  const keys = name.split(".");
  const last = keys.pop();
  for (const root of [module, module.default]) {
    const self = keys.reduce((value, key) => value?.[key], root);
    if (typeof self?.[last] === "function") return { fn: self[last], self };
  }
  return undefined;
}

function list(module) {
  const names = Object.keys(Object(module)).filter((n) => n !== "module.exports" && n !== "__esModule");
  return names.length ? names.join(", ") : "nothing";
}

function shown(dir, file) {
  const relative = path.relative(dir, file);
  return relative.startsWith("..") ? file : relative;
}

module.exports = { load };
