// A function that answers an HTTP trigger. It is no server: the image runs this
// export, with the request as an event in JSON.
import { json, type Answer, type HTTPEvent } from "./http.js";

export async function handler(event: Buffer): Promise<Answer> {
  const { requestContext, body = "", isBase64Encoded = false } = JSON.parse(event.toString()) as HTTPEvent;
  const { method, path } = requestContext.http;
  const [, first, name] = path.split("/");
  if (method === "GET" && first === "hello" && name) return json(200, { message: `hello, ${decodeURIComponent(name)}` });
  if (method === "POST" && first === "echo") return { statusCode: 200, body, isBase64Encoded };
  return json(404, { error: `there is no ${method} ${path}` });
}
