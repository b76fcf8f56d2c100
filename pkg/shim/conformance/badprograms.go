package conformance

import (
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/imgbuild/imgbuild/pkg/fc"
)

var badProgramRules = []Rule{
	{
		Name: "programs/crash-in-answer", Source: sourceHTTP1 + ", section 8",
		Doc: "an answer in the middle of which the program dies is broken off for the client, never ended as if it were whole",
		Run: func(t *Trial) {
			for name, head := range map[string]string{"Content-Length": "Content-Length: 100\r\n\r\nhalf", "chunked": "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"} {
				c := t.Raw()
				a := c.Ask("POST", "/invoke", "", fc.HeaderRequestID, "id", "X-Do", Do("read", send("HTTP/1.1 200 OK\r\n"+head), "sleep:50ms", "exit:9"))
				if a.Err == nil || a.Status != 200 && a.Status != 0 {
					t.Errorf("%s: status %d, body %q, error %v", name, a.Status, a.Body, a.Err)
				}
				if code := c.Code(5 * time.Second); code != 9 {
					t.Errorf("the container ended with %d, want the program's 9", code)
				}
				if !c.Stdout.Has("FC Invoke End RequestId: id, Error: Unhandled function error\n") {
					t.Errorf("%s: the log does not say that the request failed: %q", name, c.Stdout)
				}
			}
		},
	},
	{
		Name: "programs/broken-answer", Source: sourceHTTP1 + ", section 8",
		Doc: "an answer that the program breaks off, or frames wrongly, is broken off for the client",
		Run: func(t *Trial) {
			c := t.Raw()
			for _, text := range []string{
				"Content-Length: 100\r\n\r\nhalf", "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n",
				"Transfer-Encoding: chunked\r\n\r\n4\r\nhalfXX0\r\n\r\n",
			} {
				a := c.Ask("GET", "/", "", "X-Do", Do(send("HTTP/1.1 200 OK\r\n"+text), "close"))
				if a.Err == nil && a.Status == 200 {
					t.Errorf("%q ended as if it were whole: %+v", text, a)
				}
			}
		},
	},
	{
		Name: "programs/closes-early", Source: sourceHTTP1 + ", section 9.6",
		Doc: "a program that answers and closes without reading the request is heard",
		Run: func(t *Trial) {
			c := t.Raw()
			for n := range 6 {
				answer := status(413, "Connection: close\r\n")
				if n%2 == 1 {
					answer = send("HTTP/1.1 413 Test\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n")
				}
				conn := c.Dial()
				conn.Send(fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nX-Do: %s\r\nContent-Length: %d\r\n\r\n", Do(answer, "sleep:20ms", "close"), bigBody))
				go func() { _, _ = conn.Write(make([]byte, bigBody)) }() // breaks when the answer is there
				if a := conn.Answer("POST"); a.Status != 413 || a.Body != "body" || a.Err != nil {
					t.Errorf("try %d: %+v", n, a)
				}
				conn.Close()
			}
		},
	},
	{
		Name: "programs/too-much", Source: sourceHTTP1 + ", section 6.3",
		Doc: "what a program writes after its answer is not taken for the answer to somebody else's request",
		Run: func(t *Trial) {
			c := t.Raw()
			forged := "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"
			for n := range 10 {
				a := c.Ask("GET", "/", "", "X-Do", Do("read", send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"+forged)))
				if a.Body != "ok" {
					t.Errorf("%+v", a)
				}
				if a := c.Ask("GET", fmt.Sprintf("/%d", n), ""); !strings.HasPrefix(a.Body, fmt.Sprintf("GET /%d ", n)) {
					t.Fatalf("the next request got %q (status %d)", a.Body, a.Status)
				}
				c.Ask("GET", "/", "", "X-Do", Do(send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), "sleep:20ms", send(forged)))
				time.Sleep(40 * time.Millisecond)
				if a := c.Ask("GET", fmt.Sprintf("/%d", n), ""); !strings.HasPrefix(a.Body, fmt.Sprintf("GET /%d ", n)) {
					t.Fatalf("the request after a late answer got %q (status %d)", a.Body, a.Status)
				}
			}
		},
	},
	{
		Name: "programs/floods", Source: sourceShim,
		Doc: "a program that fills its output without end is served, in bounded memory",
		Run: func(t *Trial) {
			var out meter
			c := t.Start(Case{Command: []string{"./program", "raw"}, Stdout: &out})
			c.Ready()
			before := c.warm()
			c.Ask("GET", "/", "", "X-Do", "flood;read;echo")
			// Until so much has passed that a shim which keeps it is seen.
			n, begin := 0, time.Now()
			for ; n < 20 || out.n.Load() < 4*maxGrowth && time.Since(begin) < 20*time.Second; n++ {
				if a := c.Ask("GET", "/", ""); a.Status != 200 {
					t.Fatalf("%+v", a)
				}
			}
			if d := time.Since(begin); d > time.Duration(n)*500*time.Millisecond {
				t.Errorf("%d requests took %s", n, d)
			}
			c.expectGrowth(before)
		},
	},
	{
		Name: "programs/daemons", Source: sourceShim,
		Doc: "a program that leaves daemons behind is served, and the container ends with the program all the same",
		Run: func(t *Trial) {
			c := t.Raw()
			if a := c.Ask("GET", "/", "", "X-Do", "daemon;read;echo"); a.Status != 200 {
				t.Errorf("%+v", a)
			}
			c.Ask("POST", "/", "", "X-Do", "exit:6")
			if code := c.Code(5 * time.Second); code != 6 {
				t.Errorf("the container ended with %d, want 6", code)
			}
		},
	},
	{
		Name: "programs/never-answers", Source: sourceContainer,
		Doc: "a program may take its time: the shim sets no limit of its own, and others are served meanwhile",
		Run: func(t *Trial) {
			c := t.Raw()
			conn := c.Dial()
			defer conn.Close()
			begin := time.Now()
			conn.Send(Request("GET", "/", "", "X-Do", "sleep:6s;read;echo"))
			if a := c.Ask("GET", "/", ""); a.Status != 200 || time.Since(begin) > 2*time.Second {
				t.Errorf("beside it: %d after %s", a.Status, time.Since(begin))
			}
			if a := conn.Answer("GET"); a.Status != 200 {
				t.Errorf("%+v", a)
			}
		},
	},
}

// meter counts what is written.
type meter struct{ n atomic.Int64 }

func (m *meter) Write(p []byte) (int, error) {
	m.n.Add(int64(len(p)))
	return len(p), nil
}
