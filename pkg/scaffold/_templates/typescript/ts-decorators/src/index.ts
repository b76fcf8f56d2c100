// A function that answers an HTTP trigger, whose routes are decorated methods.
// It is no server: the image runs the export handler.
import { json, type Answer, type HTTPEvent } from "./http.js";
import { answer, get, post, type Call } from "./routes.js";

class Greetings {
  constructor(private readonly greeting: string) {}

  @get("/hello/:name")
  hello({ names }: Call): Answer {
    return json(200, { message: `${this.greeting}, ${names["name"]}` });
  }

  @post("/echo")
  echo({ request: { body = "", isBase64Encoded = false } }: Call): Answer {
    return { statusCode: 200, body, isBase64Encoded };
  }
}

new Greetings("hello");

export async function handler(event: Buffer): Promise<Answer> {
  return answer(JSON.parse(event.toString()) as HTTPEvent);
}
