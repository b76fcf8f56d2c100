// A function that answers an HTTP trigger. It is no server: the image runs this
// export, with the request as an event in JSON.
export const handler = async (event) => {
  const { requestContext, body = "", isBase64Encoded = false } = JSON.parse(event);
  const { method, path } = requestContext.http;
  const [, first, name] = path.split("/");
  if (method === "GET" && first === "hello" && name) return json(200, { message: `hello, ${decodeURIComponent(name)}` });
  if (method === "POST" && first === "echo") return { statusCode: 200, body, isBase64Encoded };
  return json(404, { error: `there is no ${method} ${path}` });
};

function json(statusCode, value) {
  return { statusCode, headers: { "content-type": "application/json" }, body: JSON.stringify(value) };
}
