function field(target: object, key: string): void {}

class Row {
  @field
  id: number = 1;
}

export const handler = async () => new Row();
