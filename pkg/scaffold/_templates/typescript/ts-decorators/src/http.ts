// What an HTTP trigger of Function Compute 3.0 sends as the event, as far as it
// is used here, and what it takes as the answer.
export interface HTTPEvent {
  body?: string;
  isBase64Encoded?: boolean;
  requestContext: { http: { method: string; path: string } };
}

export interface Answer {
  statusCode: number;
  headers?: Record<string, string>;
  body?: string;
  isBase64Encoded?: boolean;
}

export function json(statusCode: number, value: unknown): Answer {
  return { statusCode, headers: { "content-type": "application/json" }, body: JSON.stringify(value) };
}
