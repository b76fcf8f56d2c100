// Where a JavaScript text names modules: in import and export statements, in
// import() and in require(). Comments, strings, templates and regular
// expressions that look alike are left alone (ECMA-262, section 12).
"use strict";

const token = new RegExp(
  [
    /(?<space>\s+|\/\/[^\n]*|\/\*[^]*?\*\/)/,
    /(?<string>"(?:\\[^]|[^"\\\n])*"|'(?:\\[^]|[^'\\\n])*')/,
    /(?<word>[\w$\u0080-\uffff#]+)/,
    /(?<mark>[^])/,
  ].map((r) => r.source).join("|"),
  "uy",
);
const regexp = /\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/\w*/y;
const chunk = /(?:\\[^]|\$(?!\{)|[^`\\$])*(?<end>`|\$\{)/y;

// Words after which a slash begins a regular expression.
const before = new Set(["return", "typeof", "case", "in", "of", "delete", "void", "throw", "new", "else", "do", "instanceof", "yield", "await"]);

// imports returns text with each module's name as change gives it.
function imports(text, change) {
  let out = "";
  let done = 0;
  let [last, previous] = ["", ""];
  const braces = []; // the open ones, and which of them end in a template
  for (let at = 0; at < text.length; ) {
    const c = text[at];
    if (c === "`" || (c === "}" && braces.at(-1) === "template")) {
      if (c === "}") braces.pop();
      chunk.lastIndex = at + 1;
      const m = chunk.exec(text);
      if (!m) break;
      if (m.groups.end === "${") braces.push("template");
      at = chunk.lastIndex;
      [previous, last] = [last, m.groups.end === "`" ? "`" : "("];
      continue;
    }
    if (c === "/" && text[at + 1] !== "/" && text[at + 1] !== "*" && (before.has(last) || !/[\w$\u0080-\uffff)\]}"'`]$/.test(last))) {
      regexp.lastIndex = at;
      if (regexp.test(text)) {
        at = regexp.lastIndex;
        [previous, last] = [last, ")"];
        continue;
      }
    }
    token.lastIndex = at;
    const { groups } = token.exec(text);
    const end = token.lastIndex;
    if (groups.string) {
      if (last === "from" || last === "import" || (last === "(" && (previous === "import" || previous === "require"))) {
        const name = groups.string.slice(1, -1);
        const next = name.includes("\\") ? name : change(name);
        if (next !== name) {
          out += text.slice(done, at) + JSON.stringify(next);
          done = end;
        }
      }
      [previous, last] = [last, groups.string.at(-1)];
    } else if (!groups.space) {
      if (groups.mark === "{") braces.push("block");
      if (groups.mark === "}") braces.pop();
      [previous, last] = [last, groups.word ?? groups.mark];
    }
    at = end;
  }
  return out + text.slice(done);
}

module.exports = { imports };
