// The context that Function Compute's Node.js runtime gives to handlers, made
// of a request's x-fc- headers and, where tools send none, of the environment.
"use strict";

const { logger } = require("./journal.js");

const env = process.env;

function contextOf(headers) {
  const of = (name, otherwise = "") => headers[`x-fc-${name}`] ?? otherwise;
  const number = (name, otherwise) => Number(of(name, otherwise)) || 0;
  const requestId = of("request-id") || require("node:crypto").randomUUID();
  const context = {
    requestId,
    credentials: {
      accessKeyId: of("access-key-id", env.ALIBABA_CLOUD_ACCESS_KEY_ID),
      accessKeySecret: of("access-key-secret", env.ALIBABA_CLOUD_ACCESS_KEY_SECRET),
      securityToken: of("security-token", env.ALIBABA_CLOUD_SECURITY_TOKEN),
    },
    function: {
      name: of("function-name", env.FC_FUNCTION_NAME),
      handler: of("function-handler", env.FC_FUNCTION_HANDLER || "index.handler"),
      memory: number("function-memory", env.FC_FUNCTION_MEMORY_SIZE),
      timeout: number("function-timeout", env.FC_FUNCTION_TIMEOUT),
      initializer: of("function-initializer"),
      initializationTimeout: number("initialization-timeout"),
    },
    service: {
      name: of("service-name"),
      logProject: of("service-logproject"),
      logStore: of("service-logstore"),
      qualifier: of("qualifier"),
      versionId: of("version-id", env.FC_FUNCTION_VERSION),
    },
    region: of("region", env.FC_REGION),
    accountId: of("account-id", env.FC_ACCOUNT_ID),
  };
  // JSON.stringify(context) must work, and show no functions.
  Object.defineProperty(context, "logger", { value: logger(requestId), writable: true, configurable: true });
  return context;
}

module.exports = { contextOf };
