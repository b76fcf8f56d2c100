// An ES module with a top-level await, a decorator of the standard, and
// imports of CommonJS that has aliases itself.
import { handler as other } from "../src/index.js";

const awaited: string = await Promise.resolve("top-level await");

function upper<T>(method: (this: T) => string, context: ClassMethodDecoratorContext): (this: T) => string {
  return function () {
    return `${String(context.name)}: ${method.call(this).toUpperCase()}`;
  };
}

class Shouting {
  accessor text = "loud";
  @upper
  say(): string {
    return this.text;
  }
}

export const handler = async (event: Buffer) => ({
  awaited,
  say: new Shouting().say(),
  other: (await other(event)).area,
  meta: import.meta.filename,
});
