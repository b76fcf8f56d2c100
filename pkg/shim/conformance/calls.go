package conformance

import (
	"fmt"
	"strings"

	"github.com/imgbuild/imgbuild/pkg/fc"
)

// callRules are about telling the platform's calls apart.
var callRules = []Rule{
	{
		Name: "calls/control-path", Source: sourceContainer,
		Doc: "x-fc-control-path says what a call is, whatever its path: a client of an HTTP trigger may itself ask for /initialize",
		Run: func(t *Trial) {
			c := t.Raw()
			for _, test := range []struct {
				control, method, path string
				call                  fc.Call
			}{
				{"/http-invoke", "POST", "/initialize", fc.HTTP},
				{"/http-invoke", "POST", "/invoke", fc.HTTP},
				{"/http-invoke", "GET", "/pre-stop", fc.HTTP},
				{"/invoke", "POST", "/invoke", fc.Invoke},
				{"/initialize", "POST", "/initialize", fc.Initialize},
				{"/pre-freeze", "GET", "/pre-freeze", fc.PreFreeze},
				{"/pre-stop", "GET", "/pre-stop", fc.PreStop},
			} {
				expectCall(t, c, test.call, test.method, test.path, fc.HeaderControlPath, test.control)
			}
		},
	},
	{
		Name: "calls/path", Source: sourceContainer,
		Doc: "where x-fc-control-path is absent, as with local tools, method and path say what a call is",
		Run: func(t *Trial) {
			c := t.Raw()
			for _, test := range []struct {
				method, path string
				call         fc.Call
			}{
				{"POST", "/invoke", fc.Invoke}, {"POST", "/initialize", fc.Initialize},
				{"GET", "/pre-freeze", fc.PreFreeze}, {"GET", "/pre-stop", fc.PreStop},
				{"GET", "/invoke", fc.HTTP}, {"GET", "/initialize", fc.HTTP}, {"POST", "/pre-stop", fc.HTTP}, {"GET", "/", fc.HTTP},
				{"POST", "/invoke/more", fc.HTTP},
			} {
				expectCall(t, c, test.call, test.method, test.path)
			}
		},
	},
	{
		Name: "calls/forwarded", Source: sourceContainer,
		Doc: "every call reaches the program with its method, path, fields and body, hooks and the health check too",
		Run: func(t *Trial) {
			c := t.Raw()
			for _, call := range []struct{ method, path, body string }{
				{"POST", "/invoke", "the event"}, {"POST", "/initialize", ""}, {"GET", "/pre-freeze", ""},
				{"GET", "/pre-stop", ""}, {"GET", "/healthz", ""}, {"PATCH", "/any", "x"}, {"DELETE", "/", ""}, {"PROPFIND", "/dav", ""},
			} {
				a := c.Ask(call.method, call.path, call.body, "x-fc-region", "cn-test", "x-fc-account-id", "42")
				if a.Status != 200 || !strings.HasPrefix(a.Body, call.method+" "+call.path+" HTTP/1.1\r\n") || !strings.HasSuffix(a.Body, "\r\n\r\n"+call.body) {
					t.Errorf("%s %s came to the program as %q (status %d)", call.method, call.path, a.Body, a.Status)
				}
				if !hasLine(a.Body, "x-fc-region: cn-test") || !hasLine(a.Body, "x-fc-account-id: 42") {
					t.Errorf("%s %s lost x-fc- fields: %q", call.method, call.path, a.Body)
				}
			}
		},
	},
	{
		Name: "calls/target", Source: sourceHTTP1 + ", section 3.2",
		Doc: "path and query reach the program byte for byte",
		Run: func(t *Trial) {
			c := t.Raw()
			for _, target := range []string{"/", "/a%2Fb/%41", "/x?", "/?a=1;b=2&c=%zz&%", "/a//b/../c", "//x/y", "/%E4%BD%A0?q=%20+", "/a:b@c;d=e", "/?a=http://b/c", "/" + strings.Repeat("long/", 800)} {
				if a := c.Ask("GET", target, ""); !strings.HasPrefix(a.Body, "GET "+target+" HTTP/1.1\r\n") {
					t.Errorf("%.80s came to the program as %.120q (status %d)", target, a.Body, a.Status)
				}
			}
			a := c.Ask("OPTIONS", "*", "")
			if !strings.HasPrefix(a.Body, "OPTIONS * HTTP/1.1\r\n") {
				t.Errorf("OPTIONS * came to the program as %.120q", a.Body)
			}
		},
	},
	{
		Name: "calls/request-id", Source: sourceContainer,
		Doc: "the platform's request id reaches program and log; a request without one gets one, another for each",
		Run: func(t *Trial) {
			c := t.Raw()
			if a := c.Ask("GET", "/", "", fc.HeaderRequestID, "1-2-3"); !hasLine(a.Body, fc.HeaderRequestID+": 1-2-3") || strings.Count(strings.ToLower(a.Body), fc.HeaderRequestID) != 1 {
				t.Errorf("the program got %q", a.Body)
			}
			t.Eventually("the id in the log", func() bool { return c.Stdout.Has(" Start RequestId: 1-2-3\n") })
			seen := map[string]bool{}
			for range 3 {
				id := field(c.Ask("GET", "/", "").Body, fc.HeaderRequestID)
				if len(id) < 16 || seen[id] {
					t.Errorf("a request without an id came to the program with %q", id)
				}
				seen[id] = true
				t.Eventually("the id in the log", func() bool { return c.Stdout.Has(" Start RequestId: " + id + "\n") })
			}
		},
	},
	{
		Name: "calls/forged-log", Source: sourceShim,
		Doc: "a request id that would forge log lines or fields is not taken",
		Run: func(t *Trial) {
			c := t.Raw()
			for _, id := range []string{"a b", "a,b", strings.Repeat("x", 1000), "FC Invoke End RequestId: z"} {
				a := c.Ask("GET", "/", "", fc.HeaderRequestID, id)
				if got := field(a.Body, fc.HeaderRequestID); got == id || got == "" || c.Stdout.Has("RequestId: "+id+"\n") {
					t.Errorf("the id %.40q was taken: %.60q (status %d)", id, got, a.Status)
				}
			}
		},
	},
}

// expectCall makes a call that the program answers with 500, and looks in
// which way the shim treats it: by its log and by x-fc-status.
func expectCall(t *Trial, c *Container, call fc.Call, method, path string, fields ...string) {
	id := fmt.Sprintf("id-%d", len(c.Stdout.String()))
	fields = append(fields, fc.HeaderRequestID, id, "X-Do", Do("read", status(500, "")))
	what := fmt.Sprintf("%s %s %v", method, path, fields[:len(fields)-4])
	a := c.Ask(method, path, "", fields...)
	want := ""
	if call.Event() {
		want = "404"
	}
	if got := a.Header.Get(fc.HeaderStatus); a.Status != 500 || got != want {
		t.Errorf("%s: status %d and x-fc-status %q, want 500 and %q as for call %s", what, a.Status, got, want, call.Path())
	}
	t.Eventually(what+": "+call.StartLine(id), func() bool { return c.Stdout.Has(call.StartLine(id) + "\n") })
	t.Eventually(what+": "+call.EndLine(id, false), func() bool { return c.Stdout.Has(call.EndLine(id, false)) })
}

// hasLine says whether a head has that line, names without regard to case.
func hasLine(head, line string) bool {
	head, _, _ = strings.Cut(head, "\r\n\r\n")
	return strings.Contains(strings.ToLower(head)+"\r\n", "\r\n"+strings.ToLower(line)+"\r\n")
}

// field is the value of a field in a head, "" where there is none.
func field(head, name string) string {
	head, _, _ = strings.Cut(head, "\r\n\r\n")
	for l := range strings.SplitSeq(head, "\r\n") {
		if n, v, ok := strings.Cut(l, ":"); ok && strings.EqualFold(n, name) {
			return strings.TrimSpace(v)
		}
	}
	return ""
}
