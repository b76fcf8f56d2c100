import { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import common from "./common.cjs";

const awaited = await Promise.resolve("top-level await");

// Kinds of handlers.
export const echo = async (event, context) => ({ event: event.toString(), buffer: Buffer.isBuffer(event), awaited, id: context.requestId });
export const callback = (event, context, callback) => setTimeout(callback, 5, null, "called back");
export const sync = (event) => event.subarray(1);
export const nothing = (event, context) => context.logger.info("a line of %s", context.function.name);
export const nested = { deep: async () => common.name };
export const context = async (event, context) => context;

// Streams.
let goOn;
export const generated = async function* (event) {
  if (event.toString() === "go") goOn();
  const told = event.toString() === "wait" && new Promise((resolve) => (goOn = resolve));
  yield "one ";
  await told;
  yield Buffer.from("two");
};
export const web = async () => new Blob(["a web ", "stream"]).stream();
export const piped = () => Readable.from(["a readable"]);
export const cut = async function* () {
  yield "begun";
  await sleep(20);
  throw new Error("broken off");
};

// HTTP triggers.
export const structured = async (event) => ({ statusCode: 418, headers: { "X-Kind": "teapot" }, isBase64Encoded: true, body: Buffer.from(JSON.parse(event).rawPath).toString("base64") });
export const response = async () => new Response("made", { status: 201, headers: { "x-kind": "web" } });
export const http = (req, resp, context) => {
  resp.setStatusCode(202);
  resp.setHeader("x-path", req.path);
  resp.setHeader("x-queries", JSON.stringify(req.queries));
  resp.setHeader("x-gone", "1");
  resp.deleteHeader("x-gone");
  let read = "";
  req.on("data", (chunk) => (read += chunk)).on("end", () => resp.send(`${req.method} ${req.url} ${req.body} ${read} ${"x-fc-security-token" in req.headers}`));
};

// Failures.
export const throws = () => {
  throw new TypeError("thrown");
};
export const handled = (event, context, callback) => callback(new RangeError("handed over"));
export const text = (event, context, callback) => callback("just text");
export const rejection = async () => {
  Promise.reject(new RangeError("left alone"));
  await sleep(1e6);
};
export const timer = async () => {
  setTimeout(() => {
    throw new Error("in a timer");
  }, 5);
  await sleep(1e6);
};
export const twice = (event, context, callback) => {
  callback(null, "first");
  callback(null, "second");
};
export const circular = async () => {
  const a = {};
  a.a = a;
  return a;
};

// Two at once: each waits for its own time, and logs at the end.
export const concurrent = async (event, context) => {
  await sleep(Number(event));
  console.log("after %s", event);
  return context.requestId;
};

// Hooks.
export const initialize = async (context) => `initialized ${context.requestId}`;
export const preStop = (context, callback) => callback(new Error("cannot stop"));

class Api {
  #name = "an instance";
  async handle() {
    return this.#name;
  }
}
export const api = new Api();
