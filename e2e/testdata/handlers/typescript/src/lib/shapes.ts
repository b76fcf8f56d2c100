export namespace Shapes {
  export const pi = 3;
  export function area(r: number): number {
    return pi * r * r;
  }
}
export interface Unused {
  never: string;
}
export const twice = <T extends number>(n: T): number => n * 2;
