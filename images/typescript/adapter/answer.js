// Results of handlers as bodies of answers: strings and buffers as they are,
// streams as they come, undefined as nothing, anything else as JSON.
"use strict";

// body is a result as something to send: a string, a Uint8Array, or something
// to iterate over.
function body(result) {
  if (result === undefined) return "";
  if (typeof result === "string" || result instanceof Uint8Array || isStream(result)) return result;
  if (ArrayBuffer.isView(result)) return new Uint8Array(result.buffer, result.byteOffset, result.byteLength);
  if (result instanceof ArrayBuffer) return new Uint8Array(result);
  const json = JSON.stringify(result);
  if (json === undefined) throw new TypeError(`a ${typeof result} cannot be an answer; return a string, a Buffer, a stream or something for JSON`);
  return json;
}

// isStream knows Node.js's streams, those of the web, and async generators.
function isStream(value) {
  return typeof value === "object" && value !== null && typeof value[Symbol.asyncIterator] === "function";
}

// send ends response with a result. It resolves when all is sent, and rejects
// where a stream breaks; whoever reads the answer then sees that it is cut off.
async function send(response, result) {
  const content = body(result);
  if (!isStream(content)) {
    if (!response.hasHeader("content-length") && response.statusCode !== 204 && response.statusCode !== 304) {
      response.setHeader("content-length", Buffer.byteLength(content));
    }
    response.end(content);
    return;
  }
  response.flushHeaders();
  try {
    for await (const chunk of content) {
      if (response.destroyed) return; // the caller has gone: leaving the loop ends the stream
      const piece = typeof chunk === "string" || chunk instanceof Uint8Array ? chunk : body(chunk);
      if (!response.write(piece)) await drained(response);
    }
    response.end();
  } catch (error) {
    response.destroy(error);
    throw error;
  }
}

function drained(response) {
  return new Promise((resolve) => {
    const done = () => {
      response.off("drain", done).off("close", done);
      resolve();
    };
    response.on("drain", done).on("close", done);
  });
}

module.exports = { send, isStream };
