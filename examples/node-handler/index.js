// A function without a server. FC_FUNCTION_HANDLER names this export, and is
// index.handler where nothing is set.
//
// An event comes as a Buffer. An HTTP trigger's request comes as one too, as
// JSON, and the answer to it may say status and headers.
exports.handler = async (event, context) => {
  const request = parse(event);
  if (!request?.requestContext?.http) {
    console.log("an event of %d bytes", event.length);
    return `got ${event.length} bytes: ${event}\n`;
  }
  const { method, path } = request.requestContext.http;
  return {
    statusCode: 200,
    headers: { "content-type": "text/plain; charset=utf-8", "x-request-id": context.requestId },
    body: `hello from a handler on Node.js ${process.version}: ${method} ${path}\n`,
  };
};

// Called once before the first request, where the function has an initializer.
exports.initializer = async (context) => {
  context.logger.info("ready in %s", context.region);
};

function parse(event) {
  try {
    return JSON.parse(event);
  } catch {
    return undefined;
  }
}
