// The nearest package.json of a folder.
"use strict";

const fs = require("node:fs");
const path = require("node:path");

const known = new Map();

// typeOf is "module", "commonjs", or undefined where nothing is said.
function typeOf(folder) {
  if (!known.has(folder)) known.set(folder, look(folder));
  return known.get(folder);
}

function look(folder) {
  try {
    return JSON.parse(fs.readFileSync(path.join(folder, "package.json"), "utf8")).type;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined; // Node.js will say what is wrong with it
    const parent = path.dirname(folder);
    return parent === folder ? undefined : typeOf(parent);
  }
}

module.exports = { typeOf };
