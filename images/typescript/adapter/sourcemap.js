// Stack traces in the words of the source.
"use strict";

const fs = require("node:fs");
const nodeModule = require("node:module");

// enable has Node.js read source maps. For a compiled file it does so only
// where that has one: it would be time lost at the start of all others.
function enable(compiled) {
  if (compiled && !/^\/\/# sourceMappingURL=/m.test(fs.readFileSync(compiled, "utf8"))) return;
  if (nodeModule.setSourceMapsSupport) nodeModule.setSourceMapsSupport(true, { nodeModules: false, generatedCode: false });
  else process.setSourceMapsEnabled(true); // Node.js 22
}

module.exports = { enable };
