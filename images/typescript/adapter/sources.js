// The sources of a function.
"use strict";

const fs = require("node:fs");
const path = require("node:path");

// isSource says whether a name is that of TypeScript that becomes JavaScript.
const isSource = (file) => /(?<!\.d)\.([cm]?ts|tsx)$/.test(file);

// sources yields the files below dir whose names are wanted, but none of
// node_modules and nothing whose name begins with a dot.
function* sources(dir, wanted = isSource) {
  for (const entry of fs.readdirSync(dir, { withFileTypes: true })) {
    if (entry.name === "node_modules" || entry.name.startsWith(".")) continue;
    const file = path.join(dir, entry.name);
    if (entry.isDirectory()) yield* sources(file, wanted);
    else if (entry.isFile() && wanted(entry.name)) yield file;
  }
}

module.exports = { isSource, sources };
