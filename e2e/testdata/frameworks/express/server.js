const express = require("express");
const app = express();
app.use(express.json());
app.get("/", (req, res) => res.send("hello from Express"));
app.post("/echo", (req, res) => res.json(req.body));
app.listen(3000);
