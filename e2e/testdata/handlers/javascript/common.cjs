exports.name = "CommonJS";
exports.handler = function (event, context, callback) {
  console.error("to stderr");
  callback(null, { from: __filename, event: JSON.parse(event) });
};
