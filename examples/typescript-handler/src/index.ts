// A function without a server, in more than one file, with what only a
// compiler understands: an enum, a decorator, parameter properties and an
// alias of tsconfig.json.
import { Greeter, Tone } from "@greeting/greeter";

interface Context {
  requestId: string;
}

interface HTTPEvent {
  requestContext: { http: { method: string; path: string } };
}

const greeter = new Greeter("TypeScript", Tone.Friendly);

export async function handler(event: Buffer, context: Context) {
  const request = parse(event);
  if (!request) return `got ${event.length} bytes: ${event}\n`;
  const { method, path } = request.requestContext.http;
  return {
    statusCode: 200,
    headers: { "content-type": "text/plain; charset=utf-8", "x-request-id": context.requestId },
    body: greeter.greet(`${process.version}: ${method} ${path}`),
  };
}

function parse(event: Buffer): HTTPEvent | undefined {
  try {
    const value = JSON.parse(event.toString()) as Partial<HTTPEvent>;
    return value.requestContext?.http ? (value as HTTPEvent) : undefined;
  } catch {
    return undefined;
  }
}
