export = { name: "CommonJS" as const };
