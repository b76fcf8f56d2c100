// What fc-build takes for an import, and what it does not.
"use strict";

const assert = require("node:assert");
const test = require("node:test");
const { imports } = require("../typescript/build/imports.js");

const change = (name) => (name.startsWith("@/") ? `./${name.slice(2)}.js` : name);

for (const [text, want] of [
  ['import a from "@/a"', 'import a from "./a.js"'],
  ["import '@/a'", 'import "./a.js"'],
  ['export * from "@/a";import{b}from"@/b"', 'export * from "./a.js";import{b}from"./b.js"'],
  ['import a from "@/a" with { type: "json" }', 'import a from "./a.js" with { type: "json" }'],
  ['await import("@/a")', 'await import("./a.js")'],
  ['const a = require(/* x */ "@/a")', 'const a = require(/* x */ "./a.js")'],
  ['f(`${await import("@/a")} from "@/b" ${`${require("@/c")}`}`)', 'f(`${await import("./a.js")} from "@/b" ${`${require("./c.js")}`}`)'],
  ['{ f(`${{ a: `}` }.a}`) } import("@/a")', '{ f(`${{ a: `}` }.a}`) } import("./a.js")'],
  ['/"/.test(x); import "@/a"', '/"/.test(x); import "./a.js"'],
  ["a = b / c; import '@/a' // d / '", "a = b / c; import \"./a.js\" // d / '"],
  ['return /[/"]from/; import "@/a"', 'return /[/"]from/; import "./a.js"'],
  // Not imports.
  ['// from "@/a"', undefined],
  ['/* import("@/a") */', undefined],
  ["'from \"@/a\"'", undefined],
  ['x = ["from", "@/a"]', undefined],
  ['load("@/a")', undefined],
  ['/from "@\\/a"/', undefined],
  ['`from "@/a" \\${import("@/b")}`', undefined],
  ['import a from "other"', undefined],
  ["`an open template ${", undefined],
]) {
  test(text, () => assert.strictEqual(imports(text, change), want ?? text));
}
