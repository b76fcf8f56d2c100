#!/usr/bin/env node
// fc-build [FOLDER]: type-checks and compiles the function in /code, so that
// plain Node.js runs it and the slim image is enough. Errors are the
// compiler's, and so is the exit code.
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const { spawnSync } = require("node:child_process");
const { Problem } = require("../node/failure.js");
const { options } = require("./options.js");
const { rewrite } = require("./rewrite.js");

function main(dir) {
  const installed = install(dir);
  const args = options(dir);
  const local = path.join(dir, "node_modules/typescript/bin/tsc");
  const compiler = fs.existsSync(local) ? local : path.join(__dirname, "../../node_modules/typescript/bin/tsc");
  const run = spawnSync(process.execPath, [compiler, ...args], { cwd: dir, encoding: "utf8", maxBuffer: 1 << 30, stdio: ["ignore", "pipe", "inherit"] });
  if (run.error) throw run.error;
  const lines = run.stdout.split("\n");
  process.stdout.write(lines.filter((line) => !line.startsWith("TSFILE: ")).join("\n"));
  if (run.status !== 0) return run.status ?? 1;
  const made = lines.filter((line) => line.startsWith("TSFILE: ")).map((line) => path.resolve(dir, line.slice("TSFILE: ".length).trim()));
  const changed = rewrite(made);
  if (installed) npm(dir, "prune", "--omit=dev", "--no-audit", "--no-fund");
  const scripts = made.filter((file) => /\.[cm]?js$/.test(file));
  console.log(`fc-build: ${scripts.length} files compiled${changed ? `, imports of ${changed} made for Node.js` : ""}`);
  return 0;
}

// install gets the dependencies that are not there yet, and says whether.
function install(dir) {
  if (!fs.existsSync(path.join(dir, "package-lock.json")) || fs.existsSync(path.join(dir, "node_modules"))) return false;
  npm(dir, "ci", "--no-audit", "--no-fund");
  return true;
}

function npm(dir, ...args) {
  const run = spawnSync("npm", args, { cwd: dir, stdio: "inherit" });
  if (run.error) throw run.error;
  if (run.status !== 0) throw new Problem(`fc-build: npm ${args[0]} failed`);
}

try {
  process.exitCode = main(path.resolve(process.argv[2] ?? "."));
} catch (error) {
  console.error(error instanceof Problem ? error.message : error);
  process.exitCode = 1;
}
