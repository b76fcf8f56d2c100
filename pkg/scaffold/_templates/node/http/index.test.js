import assert from "node:assert/strict";
import test from "node:test";

import { handler } from "./index.js";

const call = (method, path, body) => handler(Buffer.from(JSON.stringify({ requestContext: { http: { method, path } }, body })));

test("greets who the path names", async () => {
  const { statusCode, body } = await call("GET", "/hello/Serverless");
  assert.deepEqual([statusCode, JSON.parse(body)], [200, { message: "hello, Serverless" }]);
});

test("gives a body back", async () => {
  const { statusCode, body } = await call("POST", "/echo", "a body");
  assert.deepEqual([statusCode, body], [200, "a body"]);
});

test("knows no other paths", async () => {
  assert.equal((await call("GET", "/nowhere")).statusCode, 404);
});
