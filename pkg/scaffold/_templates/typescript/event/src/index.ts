// A function that is called with events. It is no server: the image runs this
// export, which template.yaml and s.yaml name as the handler.
export interface Context {
  requestId: string;
}

export async function handler(event: Buffer, context: Context): Promise<string> {
  const name: unknown = JSON.parse(event.toString());
  if (typeof name !== "string" || name === "") throw new Error("the event names nobody");
  console.log("greeting for request %s", context.requestId);
  return `hello, ${name}`;
}
