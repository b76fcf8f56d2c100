// A function that answers HTTP requests at / and events at /invoke. It listens
// on 9000, as a custom runtime of Function Compute does.
import * as http from "node:http";

async function read(request: http.IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

const server = http.createServer(async (request, response) => {
  if (request.url !== "/invoke" || request.method !== "POST") {
    response.end(`hello from ts-node on ${process.version}: ${request.method} ${request.url}\n`);
    return;
  }
  const event = await read(request);
  response.end(`got ${event.length} bytes: ${event}\n`);
});

server.listen(9000);
process.on("SIGTERM", () => server.close(() => process.exit(0)));
