const app = require("fastify")();
app.get("/", async () => "hello from Fastify");
app.post("/echo", async (request) => request.body);
app.listen({ port: 3000 });
