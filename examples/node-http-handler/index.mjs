// A function of Function Compute 2.0 that answers an HTTP trigger: it gets a
// request and a response. That its second parameter is called resp tells the
// image so.
import { Readable } from "node:stream";

export const handler = (req, resp, context) => {
  if (req.path === "/invoke") {
    resp.send(`got ${req.body.length} bytes: ${req.body}\n`);
    return;
  }
  resp.setStatusCode(200);
  resp.setHeader("content-type", "text/plain; charset=utf-8");
  context.logger.info("%s from %s", req.method, req.clientIP);
  // A stream is sent as it comes.
  resp.send(Readable.from(greeting(req)));
};

async function* greeting({ method, path }) {
  yield `hello from an HTTP handler on Node.js ${process.version}: `;
  yield `${method} ${path}\n`;
}
