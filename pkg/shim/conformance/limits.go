package conformance

import (
	"context"
	"io"
	"net/http"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/imgbuild/imgbuild/pkg/fc"
)

var limitRules = []Rule{
	{
		Name: "limits/concurrency", Source: sourceShim + ", SHIM_CONCURRENCY",
		Doc: "over the limit of concurrent requests the answer is 429 at once; hooks do not count; places are given back",
		Run: func(t *Trial) {
			c := t.Raw("SHIM_CONCURRENCY=2")
			for range 2 {
				busy := []*Conn{c.Dial(), c.Dial()}
				for _, b := range busy {
					defer b.Close()
					b.Send(Request("GET", "/", "", "X-Do", "sleep:600ms;read;echo"))
				}
				time.Sleep(100 * time.Millisecond)
				begin := time.Now()
				a := c.Ask("POST", "/", "x")
				if a.Status != 429 || !strings.Contains(a.Body, `"errorType":"TooManyRequests"`) || time.Since(begin) > 300*time.Millisecond {
					t.Errorf("the third request: %+v after %s", a, time.Since(begin))
				}
				if a := c.Ask("GET", "/pre-freeze", "", fc.HeaderControlPath, "/pre-freeze"); a.Status != 200 {
					t.Errorf("a hook: %+v", a)
				}
				for _, b := range busy {
					if a := b.Answer("GET"); a.Status != 200 {
						t.Errorf("%+v", a)
					}
				}
			}
		},
	},
	{
		Name: "limits/queue", Source: sourceShim + ", SHIM_QUEUE",
		Doc: "so many requests wait for their turn; the program never has more than the limit at once",
		Run: func(t *Trial) {
			c := t.Raw("SHIM_CONCURRENCY=1", "SHIM_QUEUE=2")
			begin := time.Now()
			var conns []*Conn
			for range 3 {
				conn := c.Dial()
				defer conn.Close()
				conn.Send(Request("GET", "/", "", "X-Do", "sleep:200ms;read;echo"))
				conns = append(conns, conn)
				time.Sleep(20 * time.Millisecond)
			}
			if a := c.Ask("GET", "/", ""); a.Status != 429 {
				t.Errorf("the fourth request: %d", a.Status)
			}
			for n, conn := range conns {
				if a := conn.Answer("GET"); a.Status != 200 {
					t.Errorf("request %d: %+v", n, a)
				}
			}
			if d := time.Since(begin); d < 590*time.Millisecond {
				t.Errorf("three requests of 200 ms one after the other took %s", d)
			}
		},
	},
	{
		Name: "limits/timeout", Source: sourceShim + ", SHIM_TIMEOUT",
		Doc: "a request that takes longer than the limit gets 504 with the reason; others go on",
		Run: func(t *Trial) {
			c := t.Raw("SHIM_TIMEOUT=300ms")
			begin := time.Now()
			a := c.Ask("POST", "/invoke", "", fc.HeaderRequestID, "late", "X-Do", "read;sleep:3s;echo")
			if d := time.Since(begin); a.Status != 504 || a.Header.Get(fc.HeaderStatus) != "404" || d > 2*time.Second || d < 250*time.Millisecond {
				t.Errorf("%+v after %s", a, d)
			}
			expectFailure(t, "late", a, "ProgramTimedOut", "")
			t.Eventually("the log says so", func() bool { return c.Stdout.Has("FC Invoke End RequestId: late" + fc.LogFailed + "\n") })
			if a := c.Ask("GET", "/", ""); a.Status != 200 {
				t.Errorf("afterwards: %+v", a)
			}
			a = c.Ask("GET", "/", "", "X-Do", Do("read", send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"), "sleep:3s"))
			if a.Err == nil {
				t.Errorf("an answer that was too slow ended as if it were whole: %+v", a)
			}
		},
	},
	{
		Name: "limits/body", Source: sourceShim + ", SHIM_BODY_LIMIT",
		Doc: "a request body over the limit gets 413, also one in chunks, and never reaches the program as if it were whole",
		Run: func(t *Trial) {
			c := t.Raw("SHIM_BODY_LIMIT=10KB")
			whole := "read;" + print("WHOLE\n") + ";length"
			if a := c.Ask("POST", "/", strings.Repeat("x", 10<<10), "X-Do", "read;length"); a.Status != 200 || a.Body != "10240" {
				t.Errorf("at the limit: %+v", a)
			}
			a := c.Ask("POST", "/", strings.Repeat("x", 10<<10+1), "X-Do", whole)
			if a.Status != 413 || !strings.Contains(a.Body, `"errorType":"BodyTooLarge"`) {
				t.Errorf("over the limit: %+v", a)
			}
			a = c.Ask("POST", "/", "1000\r\n"+strings.Repeat("x", 0x1000)+"\r\n2000\r\n"+strings.Repeat("x", 0x2000)+"\r\n0\r\n\r\n", "Transfer-Encoding", "chunked", "X-Do", whole)
			if a.Status != 413 {
				t.Errorf("over the limit in chunks: %+v", a)
			}
			if c.Stdout.Has("WHOLE") {
				t.Errorf("the program took a body that was cut off for a whole one")
			}
			if a := c.Ask("GET", "/", ""); a.Status != 200 {
				t.Errorf("afterwards: %+v", a)
			}
		},
	},
	{
		Name: "limits/header", Source: sourceShim + ", SHIM_HEADER_LIMIT",
		Doc: "a request head over the limit gets 431 and never reaches the program",
		Run: func(t *Trial) {
			c := t.Raw("SHIM_HEADER_LIMIT=4KB")
			before := c.Count()
			if a := c.Ask("GET", "/", "", "X-Big", strings.Repeat("x", 5000)); a.Status != 431 {
				t.Errorf("over the limit: %+v", a)
			}
			if after := c.Count(); after != before {
				t.Errorf("the program got it")
			}
			if a := c.Ask("GET", "/", "", "X-Big", strings.Repeat("x", 3000)); a.Status != 200 {
				t.Errorf("under the limit: %+v", a)
			}
		},
	},
	{
		Name: "limits/none", Source: sourceContainer + ", limits",
		Doc: "no limit holds unless it is set; what is over the platform's passes, with one warning of each kind",
		Run: func(t *Trial) {
			c := t.Raw()
			for range 2 {
				if a := c.Ask("GET", "/?"+strings.Repeat("q", 5000), "", "X-Big", strings.Repeat("x", 9000)); a.Status != 200 {
					t.Errorf("over the platform's limits: %d", a.Status)
				}
			}
			c.signal(syscall.SIGTERM)
			c.Code(20 * time.Second) // then the log is whole
			if n := strings.Count(c.Stderr.String(), "\n"); n != 2 {
				t.Errorf("%d lines of warnings: %s", n, c.Stderr)
			}
		},
	},
	{
		Name: "metrics/served", Source: sourceShim + ", SHIM_METRICS; Prometheus text exposition format 0.0.4",
		Doc: "metrics are served where the user says, count requests, and are not there by default",
		Run: func(t *Trial) {
			c := t.Raw("SHIM_METRICS=127.0.0.1:9464")
			for range 3 {
				c.Ask("POST", "/invoke", "", "X-Do", Do("read", status(500, "")))
			}
			ctx, cancel := context.WithTimeout(t.ctx, 5*time.Second)
			defer cancel()
			req, _ := http.NewRequestWithContext(ctx, "GET", "http://container.example/metrics", nil)
			tr := &http.Transport{DialContext: c.dialer(9464), DisableKeepAlives: true}
			resp, err := tr.RoundTrip(req)
			if err != nil {
				t.Fatalf("%v", err)
			}
			defer resp.Body.Close()
			b, _ := io.ReadAll(resp.Body)
			if resp.StatusCode != 200 || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain") {
				t.Errorf("%s, %v", resp.Status, resp.Header)
			}
			sample := regexp.MustCompile(`^[a-zA-Z_:][a-zA-Z0-9_:]*(\{([a-zA-Z_][a-zA-Z0-9_]*="([^"\\\n]|\\.)*",?)*\})? [-+0-9.eEInfNa]+$`)
			counted := false
			for l := range strings.Lines(string(b)) {
				l = strings.TrimSuffix(l, "\n")
				if l != "" && !strings.HasPrefix(l, "# ") && !sample.MatchString(l) {
					t.Errorf("no sample: %q", l)
				}
				counted = counted || strings.Contains(l, "requests_total{") && strings.HasSuffix(l, " 3")
			}
			if !counted {
				t.Errorf("three requests are not counted in:\n%s", b)
			}
			c = t.Raw()
			for _, port := range []int{9464, 9090, 8081, 2112, 9100} {
				if c.Listens(port) {
					t.Errorf("something listens on %d although no metrics were asked for", port)
				}
			}
		},
	},
}
