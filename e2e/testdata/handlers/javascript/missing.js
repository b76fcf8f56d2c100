exports.handler = require("not-installed");
