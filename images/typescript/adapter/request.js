// The request that code runs for: kept through promises, timers and callbacks,
// so that concurrent requests do not mix.
"use strict";

const { AsyncLocalStorage } = require("node:async_hooks");

const storage = new AsyncLocalStorage();

module.exports = {
  // run calls f for request; whatever f starts belongs to it too.
  run: (request, f) => storage.run(request, f),
  // current is the request that the running code belongs to, if any.
  current: () => storage.getStore(),
};
