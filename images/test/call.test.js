// How a handler's parameters are read, which decides what it is.
"use strict";

const assert = require("node:assert");
const test = require("node:test");
const { parameters } = require("../node/adapter/call.js");

for (const [fn, want] of [
  [() => 1, []],
  [(a) => a, ["a"]],
  [async (a) => a, ["a"]],
  // prettier-ignore
  [a => a, ["a"]],
  [function (req, resp, context) {}, ["req", "resp", "context"]],
  [async function named(event, context, callback) {}, ["event", "context", "callback"]],
  [function* (a, b) {}, ["a", "b"]],
  [({ a, b: [c] }, d = (1, 2), ...rest) => 1, ["", "d", "...rest"]],
  [(a /* , b */, c = ")") => 1, ["a", "c"]],
  [{ method(a, res) {} }.method, ["a", "res"]],
  [function () {}.bind(null), undefined],
]) {
  test(String(fn), () => assert.deepStrictEqual(parameters(fn), want));
}
