// As in a custom runtime the program listens on port 9000; the container
// listens on 8080.
import { app } from "./app.js";

const server = app.listen(process.env.PORT ?? 9000);
// The platform keeps its connections longer than Node.js does.
server.keepAliveTimeout = 0;
process.on("SIGTERM", () => server.close(() => process.exit(0)));
