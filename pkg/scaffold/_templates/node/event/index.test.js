import assert from "node:assert/strict";
import test from "node:test";

import { handler } from "./index.js";

const context = { requestId: "1" };

test("greets who the event names", async () => {
  assert.equal(await handler(Buffer.from('"Serverless"'), context), "hello, Serverless");
});

test("fails where the event names nobody", async () => {
  await assert.rejects(handler(Buffer.from('""'), context), /names nobody/);
  await assert.rejects(handler(Buffer.from("{"), context), SyntaxError);
});
