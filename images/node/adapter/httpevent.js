// HTTP triggers for handler(event, context): the request as an event, and the
// result as an answer, in the shapes of Function Compute 3.0 ("Use an HTTP
// trigger to invoke a function").
"use strict";

const { isUtf8 } = require("node:buffer");
const { clientIP, framing, headersOf, target } = require("./httprequest.js");
const { isStream } = require("./answer.js");

const textual = /^(text\/|application\/(json|xml|javascript|x-www-form-urlencoded|graphql)\b|[^;]*\+(json|xml)\b)/i;

// eventOf is the event, as a Buffer of JSON.
function eventOf(incoming, content, requestId) {
  const { path, query } = target(incoming);
  const host = incoming.headers.host ?? "";
  const type = incoming.headers["content-type"] ?? "";
  const plain = (type === "" || textual.test(type)) && isUtf8(content);
  const now = new Date();
  return Buffer.from(JSON.stringify({
    version: "v1",
    rawPath: path,
    body: content.toString(plain ? "utf8" : "base64"),
    isBase64Encoded: !plain,
    headers: headersOf(incoming),
    queryParameters: Object.fromEntries([...new Set(query.keys())].map((k) => [k, query.getAll(k).join(",")])),
    requestContext: {
      accountId: incoming.headers["x-fc-account-id"] ?? "",
      domainName: host,
      domainPrefix: host.split(".")[0],
      http: {
        method: incoming.method,
        path,
        protocol: `HTTP/${incoming.httpVersion}`,
        sourceIp: clientIP(incoming),
        userAgent: incoming.headers["user-agent"] ?? "",
      },
      requestId,
      time: now.toISOString().replace(/\.\d+/, ""),
      timeEpoch: String(now.getTime()),
    },
  }));
}

// answerOf sets status and headers of response, and returns the body to send.
function answerOf(result, response) {
  if (typeof Response === "function" && result instanceof Response) {
    response.statusCode = result.status;
    for (const [name, value] of result.headers) if (name !== "set-cookie") response.setHeader(name, value);
    if (result.headers.getSetCookie().length) response.setHeader("set-cookie", result.headers.getSetCookie());
    return result.body ?? "";
  }
  const answer = structured(result);
  if (!answer) {
    response.setHeader("content-type", typeOf(result));
    return result;
  }
  response.statusCode = Number(answer.statusCode);
  for (const [name, value] of Object.entries(answer.headers ?? {})) {
    if (!framing.has(name.toLowerCase())) response.setHeader(name, Array.isArray(value) ? value.map(String) : String(value));
  }
  if (!response.hasHeader("content-type")) response.setHeader("content-type", "application/json");
  if (answer.isBase64Encoded) return Buffer.from(String(answer.body ?? ""), "base64");
  return answer.body ?? "";
}

// structured is a result that says its status, as an object or as JSON.
function structured(result) {
  if (typeof result === "string" && /^\s*\{/.test(result)) {
    try {
      result = JSON.parse(result);
    } catch {
      return undefined;
    }
  }
  const is = typeof result === "object" && result !== null && !isStream(result) && "statusCode" in result;
  return is ? result : undefined;
}

function typeOf(result) {
  if (result instanceof Uint8Array || result instanceof ArrayBuffer || isStream(result)) return "application/octet-stream";
  if (typeof result !== "string") return "application/json";
  try {
    JSON.parse(result);
    return "application/json";
  } catch {
    return "text/plain; charset=utf-8";
  }
}

module.exports = { eventOf, answerOf };
