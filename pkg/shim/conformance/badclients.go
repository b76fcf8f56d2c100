package conformance

import (
	"fmt"
	"net"
	"strings"
	"time"
)

var badClientRules = []Rule{
	{
		Name: "clients/slow", Source: sourceShim,
		Doc: "slow senders are served, and hold nobody else up",
		Run: func(t *Trial) {
			c := t.Raw()
			var slow []*Conn
			for range 50 {
				conn := c.Dial()
				defer conn.Close()
				conn.Send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nX-Do: read;length\r\n")
				slow = append(slow, conn)
			}
			begin := time.Now()
			for range 20 {
				if a := c.Ask("GET", "/", ""); a.Status != 200 {
					t.Fatalf("beside slow senders: %+v", a)
				}
			}
			if d := time.Since(begin); d > 2*time.Second {
				t.Errorf("20 requests beside slow senders took %s", d)
			}
			for _, b := range "\r\n0123456789" {
				for _, conn := range slow[:5] {
					conn.Send(string(b))
				}
				time.Sleep(10 * time.Millisecond)
			}
			for n, conn := range slow[:5] {
				if a := conn.Answer("POST"); a.Status != 200 || a.Body != "10" {
					t.Errorf("slow sender %d: %+v", n, a)
				}
			}
		},
	},
	{
		Name: "clients/half-open", Source: sourceHTTP1 + ", section 9.6",
		Doc: "a client that closes its sending side after the request gets the answer",
		Run: func(t *Trial) {
			c := t.Raw()
			for range 3 {
				conn := c.Dial()
				conn.Send(Request("POST", "/", "body", "X-Do", "read;sleep:500ms;length"))
				if err := conn.Conn.(*net.TCPConn).CloseWrite(); err != nil {
					t.Fatalf("%v", err)
				}
				if a := conn.Answer("POST"); a.Status != 200 || a.Body != "4" {
					t.Errorf("%+v", a)
				}
				conn.Close()
			}
		},
	},
	{
		Name: "clients/gone", Source: sourceShim,
		Doc: "when the client goes away the program sees its connection close, and the log's lines are complete",
		Run: func(t *Trial) {
			c := t.Raw()
			for _, step := range []string{"gone", "read;" + send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc") + ";gone"} {
				before := strings.Count(c.Stdout.String(), "gone: ")
				conn := c.Dial()
				conn.Send(Request("GET", "/", "", "X-Do", step))
				t.Eventually("the request has reached the program", func() bool { return c.Stdout.Has("Start") })
				time.Sleep(50 * time.Millisecond)
				_ = conn.Conn.(*net.TCPConn).SetLinger(0)
				conn.Close()
				t.Eventually("the program sees the end ("+step[:4]+")", func() bool { return strings.Count(c.Stdout.String(), "gone: ") > before })
			}
			t.Eventually("an End line for each Start line", func() bool {
				return strings.Count(c.Stdout.String(), " End ") == strings.Count(c.Stdout.String(), " Start ")
			})
		},
	},
	{
		Name: "clients/broken-off", Source: sourceHTTP1 + ", section 8",
		Doc: "a request that the client breaks off is never taken for a whole one by the program",
		Run: func(t *Trial) {
			c := t.Raw()
			for name, text := range map[string]string{
				"Content-Length": "POST / HTTP/1.1\r\nHost: x\r\nX-Do: read;" + print("WHOLE\n") + "\r\nContent-Length: 100\r\n\r\nhalf",
				"chunked":        "POST / HTTP/1.1\r\nHost: x\r\nX-Do: read;" + print("WHOLE\n") + "\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nhalf",
				"between chunks": "POST / HTTP/1.1\r\nHost: x\r\nX-Do: read;" + print("WHOLE\n") + "\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
			} {
				before := strings.Count(c.Stdout.String(), "body: ")
				conn := c.Dial()
				conn.Send(text)
				time.Sleep(30 * time.Millisecond)
				conn.Close()
				t.Eventually(name+": the program sees that the body is not whole", func() bool { return strings.Count(c.Stdout.String(), "body: ") > before })
			}
			if c.Stdout.Has("WHOLE") {
				t.Errorf("half a body was taken for a whole one")
			}
		},
	},
	{
		Name: "clients/many", Source: sourceContainer + ", instanceConcurrency",
		Doc: "two hundred requests at once, the platform's highest concurrency, are all answered with what is theirs",
		Run: func(t *Trial) {
			c := t.Raw()
			var all []*Conn
			for n := range 200 {
				conn := c.Dial()
				defer conn.Close()
				conn.Send(Request("POST", fmt.Sprintf("/%d", n), strings.Repeat("x", n), "X-Do", "read;sleep:1s;echo"))
				all = append(all, conn)
			}
			for n, conn := range all {
				if a := conn.Answer("POST"); !strings.HasPrefix(a.Body, fmt.Sprintf("POST /%d ", n)) {
					t.Fatalf("request %d got %.60q (status %d), %v", n, a.Body, a.Status, a.Err)
				}
			}
		},
	},
}
