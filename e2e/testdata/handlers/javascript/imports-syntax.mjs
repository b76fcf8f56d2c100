import "./syntax.mjs";
