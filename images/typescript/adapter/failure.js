// What went wrong, for callers (JSON) and for people (lines on stderr).
"use strict";

const { inspect } = require("node:util");

// Problem is an error whose message is for the author of the function, and
// needs no stack trace.
class Problem extends Error {
  name = "Problem";
}

// report makes Function Compute's error body of what a handler threw or gave
// to its callback: errorType and stackTrace only where it is an Error
// ("Error handling", Node.js runtime).
function report(thrown) {
  if (!isError(thrown)) return { errorMessage: typeof thrown === "string" ? thrown : text(thrown) };
  return {
    errorMessage: String(thrown.message),
    errorType: String(thrown.name || "Error"),
    stackTrace: stackOf(thrown).split("\n"),
  };
}

// stackOf is an error's stack without the calls that lead into the function.
function stackOf(error) {
  const lines = String(error.stack || error).split("\n");
  const ours = lines.findIndex((line) => /^\s+at /.test(line) && line.includes(`${__dirname}/`));
  return lines.slice(0, ours > 0 ? ours : lines.length).join("\n");
}

// text is a value in one string, whatever it is.
function text(value) {
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return inspect(value);
  }
}

// Errors of other realms (node:vm, test frameworks) are errors too.
function isError(value) {
  return value instanceof Error || Object.prototype.toString.call(value) === "[object Error]";
}

module.exports = { Problem, report, stackOf, isError };
