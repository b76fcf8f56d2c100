// A function that answers HTTP requests at / and events at /invoke. It listens
// on PORT, else on 9000, as a custom runtime of Function Compute does.
const http = require("node:http");

const server = http.createServer((request, response) => {
  if (request.url !== "/invoke" || request.method !== "POST") {
    response.end(`hello from Node.js ${process.version}: ${request.method} ${request.url}\n`);
    return;
  }
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    const event = Buffer.concat(chunks);
    response.end(`got ${event.length} bytes: ${event}\n`);
  });
});

server.listen(process.env.PORT ?? 9000);
process.on("SIGTERM", () => server.close(() => process.exit(0)));
