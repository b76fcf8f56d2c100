import express from "express";

// app answers HTTP requests at its routes.
export const app = express();

app.get("/hello/:name", (request, response) => {
  response.json({ message: `hello, ${request.params.name}` });
});

app.post("/echo", express.raw({ type: () => true, limit: "32mb" }), (request, response) => {
  response.send(request.body);
});
