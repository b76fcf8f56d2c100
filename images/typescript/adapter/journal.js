// Log lines. During a request the console writes them as Function Compute's
// Node.js runtime does: date, request id, [level], text.
"use strict";

const { format, inspect } = require("node:util");
const { current } = require("./request.js");

// Levels, from the most talkative. setLogLevel hides those before its own.
const levels = ["verbose", "debug", "info", "warn", "error", "silent"];

function write(id, level, args) {
  const stream = level === "warn" || level === "error" ? process.stderr : process.stdout;
  stream.write(`${new Date().toISOString()} ${id} [${level}] ${format(...args)}\n`);
}

// logger is context.logger of one request.
function logger(id) {
  let least = 0;
  const at = (level) => (...args) => {
    if (levels.indexOf(level) >= least) write(id, level, args);
  };
  return {
    log: at("verbose"),
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    setLogLevel(level) {
      least = Math.max(0, levels.indexOf(String(level).toLowerCase()));
    },
  };
}

// adopt takes over the console's lines and the errors that nobody caught.
function adopt() {
  const plain = {};
  for (const [method, level] of [["log", "verbose"], ["debug", "debug"], ["info", "info"], ["warn", "warn"], ["error", "error"]]) {
    plain[method] = console[method];
    console[method] = (...args) => {
      const request = current();
      if (request) request.context.logger[method](...args);
      else plain[method].apply(console, args);
    };
  }
  process.on("uncaughtException", (error) => uncaught(error, "uncaughtException"));
  process.on("unhandledRejection", (reason) => uncaught(reason, "unhandledRejection"));
}

// uncaught fails the request that an error belongs to. One that belongs to
// none ends the process, as Node.js does, unless the function has said what to
// do with it.
function uncaught(error, event) {
  const request = current();
  if (request) {
    if (!request.fail(error)) request.context.logger.error(`${event} after the request was answered:`, error);
    return;
  }
  process.stderr.write(`${event}: ${inspect(error)}\n`);
  if (process.listenerCount(event) === 1) process.exit(1);
}

module.exports = { adopt, logger };
