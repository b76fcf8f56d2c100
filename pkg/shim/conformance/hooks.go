package conformance

import (
	"fmt"
	"strings"

	"github.com/imgbuild/imgbuild/pkg/fc"
)

// hooks are the calls of an instance's life.
var hooks = []fc.Call{fc.Initialize, fc.PreFreeze, fc.PreStop}

var hookRules = []Rule{
	{
		Name: "hooks/unknown", Source: sourceContainer,
		Doc: "a program that answers 404, 405 or 501 to a hook does not know it: the shim answers 200 in its place and says so once",
		Run: func(t *Trial) {
			c := t.Raw()
			for _, code := range []int{404, 405, 501, 404} {
				for _, call := range hooks {
					a := c.Ask(call.Method(), call.Path(), "", fc.HeaderControlPath, call.Path(), "X-Do", Do("read", status(code, "")))
					if a.Status != 200 || a.Header.Get(fc.HeaderStatus) != "200" || a.Err != nil || strings.Contains(a.Body, "body") {
						t.Errorf("%s: status %d, x-fc-status %q, body %q, %v", call.Path(), a.Status, a.Header.Get(fc.HeaderStatus), a.Body, a.Err)
					}
				}
			}
			for _, call := range hooks {
				t.Eventually("a line about "+call.Path(), func() bool { return c.Stderr.Has(call.Path()) })
				if n := strings.Count(c.Stderr.String(), call.Path()); n > 1 {
					t.Errorf("%s is in %d lines of the log, want one", call.Path(), n)
				}
			}
			if strings.Contains(c.Stdout.String(), fc.LogFailed) {
				t.Errorf("a hook that was not known counts as failed: %q", c.Stdout)
			}
		},
	},
	{
		Name: "hooks/unknown-connection", Source: sourceHTTP1,
		Doc: "after a hook that the shim answered, the next answer on that connection is the right one",
		Run: func(t *Trial) {
			c := t.Raw()
			conn := c.Dial()
			defer conn.Close()
			for n := range 5 {
				conn.Send(Request("POST", "/initialize", "", "X-Do", Do("read", status(404, ""))))
				if a := conn.Answer("POST"); a.Status != 200 {
					t.Fatalf("hook %d: %d, %v", n, a.Status, a.Err)
				}
				conn.Send(Request("GET", fmt.Sprintf("/%d", n), ""))
				if a := conn.Answer("GET"); !strings.HasPrefix(a.Body, fmt.Sprintf("GET /%d ", n)) {
					t.Fatalf("request %d got %q, %v", n, a.Body, a.Err)
				}
			}
		},
	},
	{
		Name: "hooks/known", Source: sourceContainer,
		Doc: "what a program answers to a hook that it knows goes to the platform, failures too",
		Run: func(t *Trial) {
			c := t.Raw()
			for _, call := range hooks {
				for code, want := range map[int]string{200: "200", 204: "200", 500: "404", 403: "404"} {
					answer := status(code, "X-Own: 1\r\n")
					if code == 204 {
						answer = send("HTTP/1.1 204 No Content\r\nX-Own: 1\r\n\r\n")
					}
					a := c.Ask(call.Method(), call.Path(), "", fc.HeaderControlPath, call.Path(), "X-Do", Do("read", answer))
					if a.Status != code || a.Header.Get(fc.HeaderStatus) != want || a.Header.Get("X-Own") != "1" {
						t.Errorf("%s that the program answers with %d: status %d, x-fc-status %q", call.Path(), code, a.Status, a.Header.Get(fc.HeaderStatus))
					}
				}
			}
		},
	},
	{
		Name: "hooks/pass", Source: sourceShim + ", SHIM_HOOK_404",
		Doc: "SHIM_HOOK_404=pass lets a program's 404 to a hook through",
		Run: func(t *Trial) {
			c := t.Raw("SHIM_HOOK_404=pass")
			a := c.Ask("POST", "/initialize", "", "X-Do", Do("read", status(404, "")))
			if a.Status != 404 || a.Body != "body" {
				t.Errorf("status %d, body %q", a.Status, a.Body)
			}
		},
	},
	{
		Name: "hooks/not-others", Source: sourceContainer,
		Doc: "a 404 to anything but a hook is the program's answer",
		Run: func(t *Trial) {
			c := t.Raw()
			for _, fields := range [][]string{
				{fc.HeaderControlPath, "/invoke"}, {fc.HeaderControlPath, "/http-invoke"}, nil,
			} {
				a := c.Ask("POST", "/invoke", "", append(fields, "X-Do", Do("read", status(404, "")))...)
				if a.Status != 404 || a.Body != "body" {
					t.Errorf("%v: status %d, body %q", fields, a.Status, a.Body)
				}
			}
		},
	},
}

var statusRules = []Rule{
	{
		Name: "status/rule", Source: sourceContainer,
		Doc: "x-fc-status says 404 for event calls that failed: without it the platform counts every status as success",
		Fix: "a program may set x-fc-status itself; SHIM_STATUS_RULE changes from which status on a call has failed",
		Run: func(t *Trial) { expectStatus(t, t.Raw(), 400) },
	},
	{
		Name: "status/setting", Source: sourceShim + ", SHIM_STATUS_RULE",
		Doc: "SHIM_STATUS_RULE says from which status on a call has failed",
		Run: func(t *Trial) {
			expectStatus(t, t.Raw("SHIM_STATUS_RULE=5xx"), 500)
			expectStatus(t, t.Raw("SHIM_STATUS_RULE=off"), 1000)
		},
	},
	{
		Name: "status/own", Source: sourceContainer,
		Doc: "an x-fc-status that the program sets is never overwritten",
		Run: func(t *Trial) {
			c := t.Raw()
			for _, test := range []struct {
				code int
				own  string
			}{{200, "404"}, {500, "200"}, {404, "200"}, {200, "200"}} {
				a := c.Ask("POST", "/invoke", "", "X-Do", Do("read", status(test.code, "X-FC-Status: "+test.own+"\r\n")))
				if got := strings.Join(a.Header.Values(fc.HeaderStatus), ","); a.Status != test.code || got != test.own {
					t.Errorf("status %d with x-fc-status %s came out as %d with %q", test.code, test.own, a.Status, got)
				}
			}
		},
	},
	{
		Name: "status/http", Source: sourceContainer,
		Doc: "answers of an HTTP trigger go to its client without x-fc-status",
		Run: func(t *Trial) {
			c := t.Raw()
			for _, code := range []int{200, 404, 500} {
				a := c.Ask("GET", "/", "", fc.HeaderControlPath, "/http-invoke", "X-Do", Do("read", status(code, "")))
				if a.Status != code || a.Header.Get(fc.HeaderStatus) != "" {
					t.Errorf("status %d, x-fc-status %q", a.Status, a.Header.Get(fc.HeaderStatus))
				}
			}
		},
	},
	{
		Name: "status/log", Source: sourceContainer + ", log format",
		Doc: "the End line of an event call that failed says so",
		Run: func(t *Trial) {
			c := t.Raw()
			c.Ask("POST", "/invoke", "", fc.HeaderRequestID, "bad", "X-Do", Do("read", status(500, "")))
			c.Ask("POST", "/invoke", "", fc.HeaderRequestID, "good", "X-Do", Do("read", status(200, "")))
			t.Eventually("the failed End line", func() bool { return c.Stdout.Has("FC Invoke End RequestId: bad, Error: Unhandled function error\n") })
			t.Eventually("the good End line", func() bool { return c.Stdout.Has("FC Invoke End RequestId: good\n") })
		},
	},
}

// expectStatus looks at x-fc-status for answers of all kinds, where statuses
// from failed on count as failures.
func expectStatus(t *Trial, c *Container, failed int) {
	for _, code := range []int{200, 201, 302, 399, 400, 404, 499, 500, 503, 599} {
		want := "200"
		if code >= failed {
			want = "404"
		}
		a := c.Ask("POST", "/invoke", "event", fc.HeaderControlPath, "/invoke", "X-Do", Do("read", status(code, "")))
		if got := a.Header.Get(fc.HeaderStatus); a.Status != code || got != want || a.Body != "body" {
			t.Errorf("a program's %d came out as %d with x-fc-status %q, want %q", code, a.Status, got, want)
		}
	}
}
