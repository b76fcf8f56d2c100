// tsconfig.json as the compiler reads it.
"use strict";

const assert = require("node:assert");
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const test = require("node:test");
const tsconfig = require("../node/adapter/tsconfig.js");

function folder(t, files) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), "tsconfig-"));
  t.after(() => fs.rmSync(dir, { recursive: true }));
  for (const [name, content] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(path.join(dir, name)), { recursive: true });
    fs.writeFileSync(path.join(dir, name), content);
  }
  return dir;
}

test("extends: the last wins, paths belong to their own file", (t) => {
  const dir = folder(t, {
    "tsconfig.json": '{ "extends": ["./a/one", "two"], "compilerOptions": { "outDir": "./out", }, } // end',
    "a/one.json": '\ufeff{ /* "paths": 1 */ "compilerOptions": { "paths": { "x": ["./y//z"] }, "outDir": "lost", "module": "esnext" } }',
    "node_modules/two/tsconfig.json": '{ "compilerOptions": { "module": "commonjs" } }',
  });
  const options = tsconfig.of(path.join(dir));
  assert.strictEqual(options.outDir, path.join(dir, "out"));
  assert.strictEqual(options.module, "commonjs");
  assert.deepStrictEqual([...tsconfig.aliases("x", options)], [path.join(dir, "a/y/z")]);
  assert.strictEqual(tsconfig.of(path.join(dir, "src/deep")), options);
});

test("aliases: the pattern with the longest beginning counts", () => {
  const options = { file: "/c/tsconfig.json", pathsBase: "/c", paths: { "*": ["any/*"], "@/*": ["a/*", "b/*"], "@/x/*.js": ["x/*"], exact: ["e"] } };
  for (const [name, want] of Object.entries({ "@/q": ["/c/a/q", "/c/b/q"], "@/x/1.js": ["/c/x/1"], exact: ["/c/e"], other: ["/c/any/other"] })) {
    assert.deepStrictEqual([...tsconfig.aliases(name, options)], want);
  }
});

test("compiled: outDir with and without rootDir", (t) => {
  const dir = folder(t, { "tsconfig.json": '{"compilerOptions":{"outDir":"dist"}}', "b/tsconfig.json": '{"compilerOptions":{"outDir":"dist","rootDir":"src"}}' });
  assert.deepStrictEqual([...tsconfig.compiled(path.join(dir, "src/index"), [".js"])], [path.join(dir, "dist/src/index.js"), path.join(dir, "dist/index.js")]);
  assert.deepStrictEqual([...tsconfig.compiled(path.join(dir, "b/src/index"), [".js"])], [path.join(dir, "b/dist/index.js")]);
});

test("a circle and a file that is not there are told", (t) => {
  const dir = folder(t, { "tsconfig.json": '{"extends":"./tsconfig.json"}', "b/tsconfig.json": '{"extends":"@none/at-all"}', "c/tsconfig.json": "{" });
  assert.throws(() => tsconfig.of(dir), /extends itself/);
  assert.throws(() => tsconfig.of(path.join(dir, "b")), /extends @none\/at-all, which is not there/);
  assert.throws(() => tsconfig.of(path.join(dir, "c")), /is not a tsconfig/);
});
