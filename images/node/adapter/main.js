#!/usr/bin/env node
// Runs a handler that has no server of its own: it loads what
// FC_FUNCTION_HANDLER names and serves Function Compute's calls on PORT, where
// the shim forwards them. The shim starts it in /code.
"use strict";

const { Problem } = require("./failure.js");
const { load } = require("./module.js");

async function main() {
  // The console and the process's errors are taken over first: code at the top
  // of the user's modules may use both.
  const { adopt } = require("./journal.js");
  adopt();
  const handler = process.env.FC_FUNCTION_HANDLER || "index.handler";
  const loading = load(process.cwd(), handler);
  const { serve } = require("./server.js");
  await serve(await loading, Number(process.env.PORT || 9000));
}

main().catch((error) => {
  if (error instanceof Problem) {
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  }
  // Node.js itself knows best where an error of a module is, also a syntax
  // error of one that is imported: it prints this one and exits with 1.
  process.removeAllListeners("uncaughtException");
  setImmediate(() => {
    throw error;
  });
});
