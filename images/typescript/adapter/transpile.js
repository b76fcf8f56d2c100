// TypeScript to JavaScript, by esbuild: its native program takes some ten
// milliseconds for all files of a function, and knows the whole language but
// emitDecoratorMetadata, which needs types. It checks no types: `fc-build`,
// in the full image, does.
"use strict";

const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const { spawn, spawnSync } = require("node:child_process");
const { Problem } = require("./failure.js");
const { typeOf } = require("./package.js");
const { sources } = require("./sources.js");
const tsconfig = require("./tsconfig.js");

// The images of TypeScript have it beside the adapter.
const esbuild = path.join(__dirname, "../bin/esbuild");
const available = () => fs.existsSync(esbuild);

// What was transpiled, by path, until a module loads it.
const output = new Map();

const flags = ["--platform=node", `--target=node${process.versions.node}`, "--sourcemap=inline", "--sources-content=false", "--log-level=error", "--color=false"];

// formatOf is "cjs", "esm", or "" where only the file's syntax says it: as the
// compiler and Node.js decide, by the name, package.json and tsconfig.json.
function formatOf(file) {
  if (file.endsWith(".mts")) return "esm";
  if (file.endsWith(".cts")) return "cjs";
  const type = typeOf(path.dirname(file));
  if (type === "module") return "esm";
  if (type === "commonjs") return "cjs";
  return /^(commonjs|node)/i.test(tsconfig.of(path.dirname(file)).module ?? "") ? "cjs" : "";
}

// all transpiles the sources below dir, without node_modules. Where that fails
// it says nothing: a file with an error may not be one that is loaded.
async function all(dir) {
  const groups = new Map();
  for (const file of sources(dir)) {
    const format = formatOf(file);
    groups.set(format, [...(groups.get(format) ?? []), file]);
  }
  let out;
  try {
    out = fs.mkdtempSync(path.join(os.tmpdir(), "shim-typescript-"));
    await Promise.allSettled([...groups].map(([format, files]) => batch(dir, files, format, path.join(out, format || "any"))));
  } catch {
    // A read-only image: one at a time then.
  } finally {
    if (out) fs.rmSync(out, { recursive: true, force: true });
  }
}

async function batch(dir, files, format, out) {
  const args = [...flags, `--outdir=${out}`, `--outbase=${dir}`, ...(format ? [`--format=${format}`] : []), ...files];
  const child = spawn(esbuild, args, { cwd: dir, stdio: "ignore" });
  const code = await new Promise((resolve, reject) => child.on("error", reject).on("close", resolve));
  if (code !== 0) return; // one of them has an error
  for (const file of files) {
    const made = path.join(out, path.relative(dir, file)).replace(/tsx?$/, "js");
    output.set(file, named(fs.readFileSync(made, "utf8"), file));
  }
}

// one returns the JavaScript of a file and its format for Node.js.
function one(file) {
  const format = formatOf(file);
  let source = output.get(file);
  output.delete(file);
  if (source === undefined) {
    const args = [file, ...flags, ...(format ? [`--format=${format}`] : [])];
    const run = spawnSync(esbuild, args, { encoding: "utf8", maxBuffer: 1 << 30 });
    if (run.error) throw run.error;
    if (run.status !== 0) throw new Problem(`${file} cannot be transpiled:\n${run.stderr.trim()}`);
    source = named(run.stdout, file);
  }
  if (/\b__decorateClass\(/.test(source) && tsconfig.of(path.dirname(file)).emitDecoratorMetadata) {
    throw new Problem(`${file} has decorators, and tsconfig.json asks for emitDecoratorMetadata, which needs the compiler: run fc-build in the full image and copy what it makes`);
  }
  return { source, format: format ? { cjs: "commonjs", esm: "module" }[format] : detect(source) };
}

// named has the source map name the file itself, not its way from where
// esbuild has put the output.
function named(source, file) {
  return source.replace(/(\/\/# sourceMappingURL=data:application\/json;base64,)([\w+/=]+)\s*$/, (_, head, data) => {
    const map = JSON.parse(Buffer.from(data, "base64").toString());
    map.sources = [file];
    return head + Buffer.from(JSON.stringify(map)).toString("base64") + "\n";
  });
}

// detect looks for what only modules have. esbuild begins each statement on a
// line of its own.
function detect(source) {
  const code = source.replace(/`(?:\\[^]|[^`\\])*`/g, "``");
  return /^(import\b(?!\()|export\b|await\b)|\bimport\.meta\b/m.test(code) ? "module" : "commonjs";
}

module.exports = { available, formatOf, all, one };
