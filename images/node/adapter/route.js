// Which of the platform's calls a request is, what answers it, and how a
// failure is told.
"use strict";

const { call, parameters } = require("./call.js");
const { contextOf } = require("./context.js");
const { report, stackOf, isError } = require("./failure.js");
const { send } = require("./answer.js");

// The platform's limit for the body of a call.
const maxBody = 32 << 20;

// The hooks, with the exports that answer them and the header in which FC 2.0
// names another one.
const hooks = {
  "/initialize": { method: "POST", names: ["initializer", "initialize"], header: "x-fc-function-initializer" },
  "/pre-freeze": { method: "GET", names: ["preFreeze"], header: "x-fc-instance-lifecycle-pre-freeze-handler" },
  "/pre-stop": { method: "GET", names: ["preStop"], header: "x-fc-instance-lifecycle-pre-stop-handler" },
};

// kindOf is the call: by x-fc-control-path, and by the request itself only
// where local tools send none.
function kindOf(incoming) {
  const control = incoming.headers["x-fc-control-path"];
  const path = control ?? incoming.url.split("?")[0];
  if (Object.hasOwn(hooks, path) && (control || incoming.method === hooks[path].method)) return path;
  return path === "/invoke" && (control || incoming.method === "POST") ? path : "/http-invoke";
}

// answer answers one request. It rejects where it fails in the middle.
async function answer(loaded, incoming, response) {
  const kind = kindOf(incoming);
  const context = contextOf(incoming.headers);
  const content = await read(incoming);
  if (content === null) return;
  if (!content) {
    return refuse(response, 413, { errorMessage: `the body is larger than ${maxBody} bytes, the limit of a call`, errorType: "BodyTooLarge" });
  }
  try {
    if (Object.hasOwn(hooks, kind)) return await hook(loaded, hooks[kind], incoming, context, response);
    if (handlesRequests(loaded)) return await request(loaded, incoming, content, context, response);
    if (kind === "/invoke") return await event(loaded, content, context, response);
    return await httpEvent(loaded, incoming, content, context, response);
  } catch (error) {
    if (response.headersSent) throw error;
    context.logger.error(isError(error) ? stackOf(error) : error);
    if (kind !== "/http-invoke") return refuse(response, 404, report(error));
    // Who calls an event has the account's rights, but an HTTP trigger's
    // client may be anyone: stack traces are for the log.
    const { errorMessage, errorType } = report(error);
    return refuse(response, 502, { errorMessage, errorType });
  }
}

async function event(loaded, content, context, response) {
  const result = await call(loaded.handler, context, [content, context]);
  response.setHeader("x-fc-status", "200");
  response.setHeader("content-type", "application/octet-stream");
  return send(response, result);
}

async function httpEvent(loaded, incoming, content, context, response) {
  const { eventOf, answerOf } = require("./httpevent.js");
  const result = await call(loaded.handler, context, [eventOf(incoming, content, context.requestId), context]);
  return send(response, answerOf(result, response));
}

// handlesRequests says whether the handler is an HTTP handler of FC 2.0,
// handler(req, resp, context): by the name of its second parameter, unless
// SHIM_HTTP_HANDLER says which.
function handlesRequests({ handler }) {
  const set = process.env.SHIM_HTTP_HANDLER;
  return set ? set === "request" : /^res(p|ponse)?$/i.test(parameters(handler.fn)?.[1] ?? "");
}

async function request(loaded, incoming, content, context, response) {
  const { requestOf, responseOf } = require("./httprequest.js");
  const { fn, self } = loaded.handler;
  const run = (req, callback) => {
    const resp = responseOf(response, (body) => callback(null, body));
    const returned = fn.call(self, req, resp, context);
    if (typeof returned?.then === "function") returned.then(undefined, callback);
  };
  const sent = await call({ fn: run }, context, [requestOf(incoming, content)]);
  return send(response, sent);
}

async function hook(loaded, { names, header }, incoming, context, response) {
  const found = await loaded.hook(names, incoming.headers[header]);
  if (!found) {
    // Without x-fc-status: the shim answers for a hook that is not there.
    response.statusCode = 404;
    response.end(`the function exports no ${names.join(" or ")}\n`);
    return;
  }
  const result = await call(found, context, [context]);
  response.setHeader("x-fc-status", "200");
  await send(response, result);
}

// refuse answers with an error. The platform counts it as the function's by
// x-fc-status.
function refuse(response, status, said) {
  for (const name of response.getHeaderNames()) response.removeHeader(name);
  response.statusCode = status;
  response.setHeader("x-fc-status", "404");
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify(said));
}

// read resolves to the body, to null where its sender has gone, and to
// undefined where it is too large. What is too much is read and dropped: who
// still sends would not see the answer.
function read(incoming) {
  return new Promise((resolve) => {
    let chunks = [];
    let size = 0;
    incoming.on("data", (chunk) => {
      if ((size += chunk.length) <= maxBody) {
        chunks.push(chunk);
        return;
      }
      chunks = [];
      resolve(undefined);
    });
    incoming.on("end", () => resolve(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks)));
    incoming.on("error", () => resolve(null));
  });
}

module.exports = { answer };
