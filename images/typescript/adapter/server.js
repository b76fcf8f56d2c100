// The server that the shim forwards to.
"use strict";

const http = require("node:http");
const { open } = require("./call.js");
const { Problem } = require("./failure.js");
const { answer } = require("./route.js");

// serve listens on port until SIGTERM or SIGINT.
function serve(loaded, port) {
  // The shim and the platform have limits of their own. A time for idle
  // connections is one that answers announce: only then does the shim use them
  // for events, too, which must not be sent twice.
  const limits = { maxHeaderSize: 1 << 20, requestTimeout: 0, headersTimeout: 0, keepAliveTimeout: 60_000 };
  const server = http.createServer(limits, (incoming, response) => {
    // A connection that was busy as the server stopped is to end as well.
    response.on("close", () => server.listening || setImmediate(() => server.closeIdleConnections()));
    answer(loaded, incoming, response).catch((error) => {
      // The answer was begun, and the rest of it failed.
      const id = incoming.headers["x-fc-request-id"] ?? "-";
      process.stderr.write(`${new Date().toISOString()} ${id} [error] ${error?.stack ?? error}\n`);
      response.destroy();
    });
  });
  server.timeout = 0;
  // A signal that comes again must not end what the first one lets end.
  for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => server.listening && stop(server));
  return new Promise((resolve, reject) => {
    server.once("error", (error) => reject(new Problem(`the handler's server cannot listen on port ${port}: ${error.message}`)));
    server.listen(port, "127.0.0.1", resolve);
  });
}

// stop lets the requests that run end, and says which ones it waits for.
function stop(server) {
  for (const { context, started } of open) {
    context.logger.warn(`stopping, but for ${Date.now() - started} ms the handler has neither returned, resolved nor called its callback`);
  }
  server.close(() => process.exit(0));
  server.closeIdleConnections();
}

module.exports = { serve };
