import { json, type Answer, type HTTPEvent } from "./http.js";

// Call is what a route's method gets: what its path's names stand for, and the
// request.
export interface Call {
  names: Record<string, string>;
  request: HTTPEvent;
}

type Method = (call: Call) => Answer | Promise<Answer>;

const routes: { verb: string; parts: string[]; method: Method }[] = [];

// route makes a method answer a verb at a path, such as /hello/:name.
function route(verb: string, path: string) {
  return function <This>(method: (this: This, call: Call) => Answer | Promise<Answer>, context: ClassMethodDecoratorContext<This>) {
    context.addInitializer(function () {
      routes.push({ verb, parts: path.split("/"), method: method.bind(this) });
    });
  };
}

export const get = (path: string) => route("GET", path);
export const post = (path: string) => route("POST", path);

// answer finds the route of a request and calls its method.
export async function answer(request: HTTPEvent): Promise<Answer> {
  const { method: verb, path } = request.requestContext.http;
  const parts = path.split("/");
  for (const route of routes) {
    if (route.verb !== verb || route.parts.length !== parts.length) continue;
    const names: Record<string, string> = {};
    const fits = route.parts.every((part, i) => {
      if (!part.startsWith(":")) return part === parts[i];
      names[part.slice(1)] = decodeURIComponent(parts[i]!);
      return parts[i] !== "";
    });
    if (fits) return route.method({ names, request });
  }
  return json(404, { error: `there is no ${verb} ${path}` });
}
