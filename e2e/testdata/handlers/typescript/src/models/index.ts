export enum Level {
  Low,
  High = 7,
}

function described(target: object, key: string, descriptor: PropertyDescriptor): void {
  const original = descriptor.value as (this: unknown) => string;
  descriptor.value = function () {
    return `${key}: ${original.call(this)}`;
  };
}

export class Model {
  constructor(
    readonly name: string,
    public level: Level = Level.Low,
  ) {}

  @described
  describe(): string {
    return `${this.name}${this.level}`;
  }
}
