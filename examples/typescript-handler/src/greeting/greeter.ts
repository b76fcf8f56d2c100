export enum Tone {
  Friendly = "hello",
  Formal = "good day",
}

// line ends what a method returns.
function line(method: (text: string) => string, _: ClassMethodDecoratorContext) {
  return function (this: unknown, text: string): string {
    return `${method.call(this, text)}\n`;
  };
}

export class Greeter {
  constructor(
    private readonly language: string,
    private readonly tone: Tone,
  ) {}

  @line
  greet(text: string): string {
    return `${this.tone} from a handler in ${this.language} on ${text}`;
  }
}
