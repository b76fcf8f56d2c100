package prove

import (
	"strings"

	"github.com/imgbuild/imgbuild/pkg/fc"
	"github.com/imgbuild/imgbuild/pkg/shim/conformance"
)

// Handlers as users write them, for an event and for an HTTP trigger.
const (
	javascript = `exports.handler = async (event, context) => {
  const text = event.toString();
  if (text.includes("requestContext")) {
    return { statusCode: 201, headers: { "x-own": "yes" }, body: "path " + JSON.parse(text).rawPath };
  }
  if (text === "fail") throw new TypeError("it failed");
  return "event " + text + " of " + context.requestId;
};
`
	// An enum and a parameter property are what cannot just be left out.
	typescript = `enum Word { Event = "event" }
class Greeting {
  constructor(private readonly of: string) {}
  say(text: string): string { return Word.Event + " " + text + " of " + this.of; }
}
interface Context { requestId: string }
export const handler = async (event: Buffer, context: Context): Promise<unknown> => {
  const text: string = event.toString();
  if (text.includes("requestContext")) {
    return { statusCode: 201, headers: { "x-own": "yes" }, body: "path " + (JSON.parse(text) as { rawPath: string }).rawPath };
  }
  if (text === "fail") throw new TypeError("it failed");
  return new Greeting(context.requestId).say(text);
};
`
)

// handler is the rule that a function without a server works.
func (f *facts) handler(language, file, text string, promised bool) rule {
	r := rule{Rule: conformance.Rule{
		Name: "image/handler-" + language, Source: sourceImage,
		Doc: "a handler in " + language + ", without a server, answers events and HTTP triggers, and its errors are the platform's",
		Run: func(t *conformance.Trial) {
			if !f.rootfs.Has(adapterPath) {
				t.Fatalf("the image has no program %s, which runs handlers", adapterPath)
			}
			c := t.Start(conformance.Case{
				Files: map[string]conformance.File{file: {Content: text, Mode: 0o644}},
				Env:   []string{"FC_FUNCTION_HANDLER=index.handler"},
			})
			c.Ready()
			a := c.Ask("POST", "/invoke", "é", fc.HeaderControlPath, "/invoke", fc.HeaderRequestID, "h1")
			if a.Status != 200 || a.Body != "event é of h1" || a.Header.Get(fc.HeaderStatus) != "200" {
				t.Errorf("an event: %d %q (x-fc-status %q), %v", a.Status, a.Body, a.Header.Get(fc.HeaderStatus), a.Err)
			}
			a = c.Ask("POST", "/invoke", "fail", fc.HeaderControlPath, "/invoke", fc.HeaderRequestID, "h2")
			if a.Header.Get(fc.HeaderStatus) != "404" || !strings.Contains(a.Body, "it failed") {
				t.Errorf("an event that fails: %d %q (x-fc-status %q), %v", a.Status, a.Body, a.Header.Get(fc.HeaderStatus), a.Err)
			}
			a = c.Ask("GET", "/a/b?c=d", "", fc.HeaderControlPath, "/http-invoke", fc.HeaderRequestID, "h3")
			if a.Status != 201 || a.Body != "path /a/b" || a.Header.Get("X-Own") != "yes" {
				t.Errorf("an HTTP trigger: %d %q %v, %v", a.Status, a.Body, a.Header, a.Err)
			}
			t.Eventually("the log's line", func() bool { return c.Stdout.Has("FC Invoke End RequestId: h2" + fc.LogFailed + "\n") })
		},
	}}
	if !promised {
		r.skip = "the image runs no handlers in " + language
	}
	return r
}
