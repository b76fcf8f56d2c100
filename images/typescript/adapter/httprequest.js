// HTTP triggers for handler(req, resp, context): the request and the response
// objects of Function Compute 2.0 ("HTTP handler", Node.js runtime).
"use strict";

const { Readable } = require("node:stream");

// Not shown to handlers, besides all x-fc- headers, which hold credentials.
const hidden = new Set(["connection", "keep-alive", "proxy-authorization", "te", "trailer", "transfer-encoding"]);

// Headers of answers that are for the server to write.
const framing = new Set(["content-length", "transfer-encoding", "connection", "keep-alive"]);

const shown = (name) => !name.startsWith("x-fc-") && !hidden.has(name);

// headersOf are the request's headers with the names as they came.
function headersOf(incoming) {
  const headers = {};
  const names = new Map();
  for (let i = 0; i < incoming.rawHeaders.length; i += 2) {
    const [name, value] = [incoming.rawHeaders[i], incoming.rawHeaders[i + 1]];
    const lower = name.toLowerCase();
    if (!shown(lower)) continue;
    const first = names.get(lower);
    if (first) headers[first] += `${lower === "cookie" ? "; " : ","}${value}`;
    else {
      names.set(lower, name);
      headers[name] = value;
    }
  }
  return headers;
}

function target(incoming) {
  const [path, ...query] = incoming.url.replace(/^[a-z]+:\/\/[^/?]*/i, "").split("?");
  return { path: path || "/", query: new URLSearchParams(query.join("?")) };
}

function clientIP(incoming) {
  const forwarded = incoming.headers["x-forwarded-for"]?.split(",")[0].trim();
  return forwarded || incoming.headers["x-real-ip"] || incoming.socket.remoteAddress || "";
}

// requestOf is a stream of the body, as FC 2.0 has it (raw-body and body
// parsers read it), which has the whole body as a Buffer too.
function requestOf(incoming, content) {
  const { path, query } = target(incoming);
  const queries = {};
  for (const key of new Set(query.keys())) {
    const values = query.getAll(key);
    queries[key] = values.length > 1 ? values : values[0];
  }
  const request = new Readable({
    read() {
      if (content.length) this.push(content);
      this.push(null);
    },
  });
  return Object.assign(request, {
    method: incoming.method,
    url: incoming.url,
    path,
    queries,
    headers: Object.fromEntries(Object.entries(incoming.headers).filter(([name]) => shown(name))),
    rawHeaders: incoming.rawHeaders.filter((_, i, all) => shown(all[i - (i % 2)].toLowerCase())),
    httpVersion: incoming.httpVersion,
    clientIP: clientIP(incoming),
    body: content,
    getBody: () => content,
  });
}

// responseOf is the response object; done is called once with the body.
function responseOf(response, done) {
  return {
    get statusCode() {
      return response.statusCode;
    },
    setStatusCode(code) {
      response.statusCode = Number(code);
    },
    setHeader(name, value) {
      if (!framing.has(String(name).toLowerCase())) response.setHeader(name, value);
    },
    deleteHeader(name) {
      response.removeHeader(name);
    },
    send(content = "") {
      done(content);
    },
  };
}

module.exports = { requestOf, responseOf, headersOf, target, clientIP, framing };
