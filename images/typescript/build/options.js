// The compiler's arguments: the user's tsconfig.json, and what a function
// needs whatever that says.
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const { Problem } = require("../node/failure.js");
const { typeOf } = require("../node/package.js");
const { sources } = require("../node/sources.js");
const tsconfig = require("../node/tsconfig.js");

// Types of Node.js that the image has, for functions that bring none.
const types = path.join(__dirname, "../../node_modules/@types");

function options(dir) {
  const own = fs.existsSync(path.join(dir, "tsconfig.json"));
  const user = own ? tsconfig.of(dir) : {};
  // Nothing is written where there are errors, and what was written is known.
  const args = ["--pretty", "false", "--noEmit", "false", "--emitDeclarationOnly", "false", "--noEmitOnError", "--listEmittedFiles"];
  if (!user.inlineSourceMap) args.push("--sourceMap");
  if (user.allowImportingTsExtensions || !own) args.push("--rewriteRelativeImportExtensions");
  if (!user.typeRoots) {
    const local = path.join(dir, "node_modules/@types");
    if (!fs.existsSync(path.join(local, "node"))) args.push("--typeRoots", `${local},${types}`);
    if (!user.types) args.push("--types", "node");
  }
  return own ? ["--project", dir, ...args] : [...args, ...defaults(dir)];
}

// defaults are for a folder without a tsconfig.json: as the adapter takes its
// files when they are not compiled.
function defaults(dir) {
  const files = [...sources(dir, (name) => /\.([cm]?ts|tsx)$/.test(name))]; // declarations, too
  if (!files.length) throw new Problem(`fc-build: there is no TypeScript in ${dir}`);
  const node = typeOf(dir) !== undefined || files.some((file) => /\.[cm]ts$/.test(file));
  const modules = node ? ["--module", "nodenext"] : ["--module", "esnext", "--moduleResolution", "bundler"];
  return [...modules, "--target", "es2024", "--strict", "--skipLibCheck", "--resolveJsonModule", "--esModuleInterop", "--rootDir", dir, ...files];
}

module.exports = { options };
