package conformance

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/imgbuild/imgbuild/pkg/fc"
)

// dialer is DialContext to another port.
func (c *Container) dialer(port int) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) { return c.instance.Dial(ctx, port) }
}

var modeRules = []Rule{
	{
		Name: "exec/answers", Source: sourceShim + ", SHIM_MODE=exec",
		Doc: "a program is run once for each request: the event on its input, its output is the answer, also of many at once",
		Run: func(t *Trial) {
			c := t.Script([]string{"say err working", "print got: ", "cat"}, "SHIM_MODE=exec")
			c.Ready()
			a := c.Ask("POST", "/invoke", "the event", fc.HeaderControlPath, "/invoke", fc.HeaderRequestID, "e1")
			if a.Status != 200 || a.Body != "got: the event" || a.Header.Get(fc.HeaderStatus) != "200" {
				t.Errorf("%+v", a)
			}
			t.Eventually("what it says on stderr is in the log", func() bool { return c.Stdout.Has("working") || c.Stderr.Has("working") })
			t.Eventually("the End line", func() bool { return c.Stdout.Has("FC Invoke End RequestId: e1\n") })
			var all sync.WaitGroup
			for n := range 10 {
				all.Go(func() {
					if a := c.Ask("POST", "/invoke", fmt.Sprint(n)); a.Body != fmt.Sprint("got: ", n) {
						t.Errorf("event %d: %+v", n, a)
					}
				})
			}
			all.Wait()
		},
	},
	{
		Name: "exec/fails", Source: sourceShim + ", SHIM_MODE=exec",
		Doc: "a run that ends with another code than 0 is an error with its last lines; the container goes on",
		Run: func(t *Trial) {
			c := t.Script([]string{"say err no such customer", "exit 3"}, "SHIM_MODE=exec")
			c.Ready()
			for range 2 {
				a := c.Ask("POST", "/invoke", "e", fc.HeaderRequestID, "f")
				expectFailure(t, "exec", a, "ProgramExited", "exit code 3")
				expectFailure(t, "exec", a, "ProgramExited", "no such customer")
				if a.Header.Get(fc.HeaderStatus) != "404" {
					t.Errorf("x-fc-status %q", a.Header.Get(fc.HeaderStatus))
				}
			}
			t.Eventually("the End line", func() bool { return c.Stdout.Has("FC Invoke End RequestId: f" + fc.LogFailed + "\n") })
		},
	},
	{
		Name: "sdk/event", Source: "Function Compute, go1 runtime API",
		Doc: "a binary built with the vendor's Go SDK runs unchanged: events, errors, several at once",
		Run: func(t *Trial) {
			c := t.Program([]string{"sdk"}, "SHIM_CONCURRENCY=0")
			c.Ready()
			a := c.Ask("POST", "/invoke", `{"k":1}`, fc.HeaderControlPath, "/invoke", fc.HeaderRequestID, "s1")
			if a.Status != 200 || a.Body != `event {"k":1}` || a.Header.Get(fc.HeaderStatus) != "200" {
				t.Errorf("%+v", a)
			}
			a = c.Ask("POST", "/invoke", "fail", fc.HeaderControlPath, "/invoke", fc.HeaderRequestID, "s2")
			if a.Header.Get(fc.HeaderStatus) != "404" || !strings.Contains(a.Body, "it failed") {
				t.Errorf("%+v", a)
			}
			t.Eventually("the End line", func() bool { return c.Stdout.Has("FC Invoke End RequestId: s2" + fc.LogFailed + "\n") })
			begin := time.Now()
			var all sync.WaitGroup
			for range 4 {
				all.Go(func() {
					if a := c.Ask("POST", "/invoke", "sleep 300ms"); a.Body != "event sleep 300ms" {
						t.Errorf("%+v", a)
					}
				})
			}
			all.Wait()
			if d := time.Since(begin); d > 900*time.Millisecond {
				t.Errorf("four events of 300 ms at once took %s", d)
			}
		},
	},
	{
		Name: "sdk/http", Source: "Function Compute, go1 runtime API, x-fc-http-params",
		Doc: "HTTP triggers reach a binary built with the vendor's Go SDK, and its status and fields come back",
		Run: func(t *Trial) {
			c := t.Program([]string{"sdk", "http"})
			c.Ready()
			for range 2 {
				a := c.Ask("PUT", "/a/b?q=1", "body", fc.HeaderControlPath, "/http-invoke")
				if a.Status != 201 || a.Body != "http PUT /a/b body" || a.Header.Get("X-Sdk") != "yes" || a.Header.Get(fc.HeaderStatus) != "" {
					t.Errorf("fc.StartHttp: %+v", a)
				}
			}
			c = t.Program([]string{"sdk"})
			c.Ready()
			a := c.Ask("PUT", "/a/b?q=1", "body", fc.HeaderControlPath, "/http-invoke")
			if a.Status != 202 || a.Body != "event PUT /a/b body" || a.Header.Get("X-Sdk") != "yes" {
				t.Errorf("fc.Start: %+v", a)
			}
		},
	},
	{
		Name: "languages/node", Source: sourceShim, Needs: []string{"node"},
		Doc: "an ordinary server of Node.js answers, keeps its connections, and ends well",
		Run: func(t *Trial) {
			expectServer(t, Case{Command: []string{"node", "server.js"}, Files: map[string]File{"server.js": {Content: `
				require('http').createServer((q, s) => { let b = ''; q.on('data', d => b += d); q.on('end', () => s.end('node ' + q.method + ' ' + q.url + ' ' + b)) })
					.listen(process.env.PORT).keepAliveTimeout = 100`}}}, "node")
		},
	},
	{
		Name: "languages/typescript", Source: sourceShim, Needs: []string{"node", "/usr/bin/env"},
		Doc: "a bootstrap compiled from TypeScript is a program as any other",
		Run: func(t *Trial) {
			expectServer(t, Case{Files: map[string]File{"bootstrap": {Content: `#!/usr/bin/env node
"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
const node_http_1 = require("node:http");
var Word;
(function (Word) { Word["Name"] = "typescript"; })(Word || (Word = {}));
(0, node_http_1.createServer)(async (request, response) => {
    const chunks = [];
    for await (const c of request) chunks.push(c);
    response.end([Word.Name, request.method, request.url, Buffer.concat(chunks).toString()].join(" "));
}).listen(8088, "127.0.0.1");
`}}}, "typescript")
		},
	},
	{
		Name: "languages/python", Source: sourceShim, Needs: []string{"python3"},
		Doc: "an ordinary server of Python answers (HTTP/1.0, one connection each)",
		Run: func(t *Trial) {
			expectServer(t, Case{Command: []string{"python3", "server.py"}, Files: map[string]File{"server.py": {Content: `
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self):
        body = self.rfile.read(int(self.headers.get('Content-Length') or 0)).decode()
        self.send_response(200); self.end_headers()
        self.wfile.write(f'python {self.command} {self.path} {body}'.encode())
    do_GET = do_POST = answer
http.server.ThreadingHTTPServer(('', int(os.environ['PORT'])), Handler).serve_forever()
`}}}, "python")
		},
	},
	{
		Name: "languages/go", Source: sourceShim,
		Doc: "an ordinary server of Go answers",
		Run: func(t *Trial) { expectServer(t, Case{Command: []string{"./program", "http"}}, "go") },
	},
	{
		Name: "languages/shell", Source: sourceShim, Needs: []string{"/bin/sh"},
		Doc: "a shell script that ends in a server is a function, and gets SIGTERM with it",
		Run: func(t *Trial) {
			expectServer(t, Case{Files: map[string]File{"bootstrap": {Content: "#!/bin/sh\nexport A=1\n./program http\n"}}}, "go")
		},
	},
}

// expectServer expects a server that answers with its name, method, target and
// body.
func expectServer(t *Trial, start Case, name string) {
	c := t.Start(start)
	c.Ready()
	for n := range 30 {
		method, body := "GET", ""
		if n%2 == 1 {
			method, body = "POST", "event"
		}
		target := fmt.Sprintf("/x%%20y?n=%d", n)
		if a := c.Ask(method, target, body); a.Status != 200 || strings.TrimSpace(a.Body) != strings.TrimSpace(name+" "+method+" "+target+" "+body) {
			t.Errorf("%s %s: %d %q %v", method, target, a.Status, a.Body, a.Err)
		}
		if n%10 == 9 {
			time.Sleep(105 * time.Millisecond)
		}
	}
	c.signal(15)
	if code := c.Code(8 * time.Second); code != 143 && code != 0 {
		t.Errorf("exit code %d after SIGTERM", code)
	}
}
