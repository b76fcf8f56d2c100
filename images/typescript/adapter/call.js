// One call of a handler or hook: its answer is the first of what it returned,
// resolved to, gave to its callback, threw, or left uncaught.
"use strict";

const requests = require("./request.js");

// The requests that were not answered yet, for who waits for them.
const open = new Set();

// call runs fn(...args, callback), a function of self, and resolves to its
// result.
function call({ fn, self }, context, args) {
  return new Promise((resolve, reject) => {
    const request = {
      context,
      started: Date.now(),
      fail: (error) => settle(reject, error),
    };
    const settle = (how, value) => {
      if (!open.delete(request)) return false;
      how(value);
      return true;
    };
    let calls = 0;
    const callback = (error, result) => {
      const done = error === null || error === undefined ? settle(resolve, result) : settle(reject, error);
      if (++calls > 1) context.logger.warn("the callback was called again; only the first call counts");
      else if (!done) context.logger.warn("the callback was called after the request had been answered");
    };
    open.add(request);
    requests.run(request, () => {
      try {
        const result = fn.call(self, ...args, callback);
        if (typeof result?.then === "function") {
          result.then((value) => settle(resolve, value), (error) => settle(reject, error));
        } else if (returns(fn, args.length, result)) {
          settle(resolve, result);
        }
      } catch (error) {
        settle(reject, error);
      }
    });
  });
}

const known = new WeakMap();

// parameters are the names of a function's parameters, as its source has them.
// A parameter that is a pattern is "", one after dots has them. undefined means
// that there is no source: a bound or native function.
function parameters(fn) {
  if (!known.has(fn)) known.set(fn, parse(Function.prototype.toString.call(fn)));
  return known.get(fn);
}

function parse(source) {
  if (/\{\s*\[native code\]\s*\}$/.test(source)) return undefined;
  source = source.replace(/\/\*[^]*?\*\/|\/\/.*/g, "");
  const single = /^\s*(?:async\s+)?([\w$]+)\s*=>/.exec(source);
  if (single) return [single[1]];
  const names = [];
  let depth = 0;
  let word = "";
  for (const c of source.slice(source.indexOf("("))) {
    if ("([{".includes(c) && depth++ === 0) continue;
    if (")]}".includes(c) && --depth === 0) break;
    if (depth === 1 && c === ",") {
      names.push(word);
      word = "";
    } else word += c;
  }
  if (word.trim()) names.push(word);
  return names.map((n) => /^\s*((?:\.\.\.)?[\w$]+)/.exec(n)?.[1] ?? "");
}

// returns says whether what a function returned at once is its result: not
// where it has a callback after this many arguments, as what such a function
// happens to return is often a timer. Where that is not to be seen, a value is
// a result and undefined is not.
function returns(fn, before, result) {
  const names = parameters(fn);
  const rest = names?.at(-1)?.startsWith("...");
  if (names?.length > before && !rest) return false;
  return result !== undefined || !(names === undefined || rest || usesArguments(fn));
}

const usesArguments = (fn) => /\barguments\b/.test(Function.prototype.toString.call(fn));

module.exports = { call, parameters, open };
