import assert from "node:assert/strict";
import { after, test } from "node:test";

import { app } from "./app.js";

const server = app.listen(0, "127.0.0.1");
await new Promise((resolve) => server.once("listening", resolve));
after(() => server.close());
const url = (path) => `http://127.0.0.1:${server.address().port}${path}`;

test("greets who the path names", async () => {
  const response = await fetch(url("/hello/Serverless"));
  assert.deepEqual([response.status, await response.json()], [200, { message: "hello, Serverless" }]);
});

test("gives a body back", async () => {
  const response = await fetch(url("/echo"), { method: "POST", body: "a body" });
  assert.deepEqual([response.status, await response.text()], [200, "a body"]);
});

test("knows no other paths", async () => {
  assert.equal((await fetch(url("/nowhere"))).status, 404);
});
