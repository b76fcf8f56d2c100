// A function that Node.js runs as it is: types are stripped, not checked
// (`tsc` of the full image checks them). It has 8080 written into it, so the
// shim leaves that port to it and only supervises.
import { createServer, type IncomingMessage } from "node:http";

async function read(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

const server = createServer(async (request, response) => {
  if (request.url !== "/invoke" || request.method !== "POST") {
    response.end(`hello from TypeScript on ${process.version}: ${request.method} ${request.url}\n`);
    return;
  }
  const event = await read(request);
  // The platform takes this header, not the status, for the outcome of an event.
  response.setHeader("x-fc-status", "200");
  response.end(`got ${event.length} bytes: ${event}\n`);
});

server.keepAliveTimeout = 0; // the platform keeps its connections longer than Node.js does
server.listen(8080, "0.0.0.0");
process.on("SIGTERM", () => server.close(() => process.exit(0)));
