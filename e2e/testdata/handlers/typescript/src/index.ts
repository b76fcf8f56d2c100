import * as os from "node:os";
import { Shapes, twice, type Unused } from "@lib/shapes";
import { Model, Level } from "models";
import { esm } from "./lib/esm.mjs";
import legacy = require("./lib/legacy.cjs");

const unused: Unused | undefined = undefined;

export async function handler(event: Buffer) {
  const model = new Model("a", Level.High);
  return {
    event: event.toString(),
    area: Shapes.area(3),
    twice: twice(4),
    level: Level[model.level],
    described: model.describe(),
    esm: await esm(),
    legacy: legacy.name,
    platform: os.platform(),
    file: __filename,
    unused,
    lazy: (await import("./lib/lazy.js")).value,
  };
}

/*
  Lines that are not in what is run:
*/
interface Gone {
  a: string;
}

export function throws(event: Buffer): never {
  const gone: Gone = { a: String(event) };
  throw new TypeError(`on line 35: ${gone.a}`);
}
