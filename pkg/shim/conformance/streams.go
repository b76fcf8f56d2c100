package conformance

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

var streamRules = []Rule{
	{
		Name: "streams/events", Source: sourceShim,
		Doc: "server-sent events and other streamed answers leave at once, the head before the first event",
		Run: func(t *Trial) {
			c := t.Raw()
			for _, framing := range []string{"Transfer-Encoding: chunked\r\n", "Content-Length: 27\r\n", ""} {
				event := func(n int) string {
					text := fmt.Sprintf("data: %d\n\n", n)
					if strings.HasPrefix(framing, "T") {
						return send(fmt.Sprintf("%x\r\n%s\r\n", len(text), text))
					}
					return send(text)
				}
				// One that waits for the next event would come by a whole pause late.
				const pause = "sleep:600ms"
				conn := c.Dial()
				begin := time.Now()
				conn.Send(Request("GET", "/", "", "X-Do", Do(send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"+framing+"\r\n"),
					pause, event(0), pause, event(1), pause, event(2), "close")))
				a, resp := conn.Head("GET")
				if resp == nil || a.Header.Get("Content-Type") != "text/event-stream" {
					t.Fatalf("%q: %+v", framing, a)
				}
				late := func(what string, expected time.Duration) {
					if d := time.Since(begin) - expected; d > 500*time.Millisecond {
						t.Errorf("%q: %s came %s late", framing, what, d.Round(time.Millisecond))
					}
				}
				late("the head", 0)
				for n := range 3 {
					b := make([]byte, 9)
					if _, err := readFull(resp, b); err != nil || string(b) != fmt.Sprintf("data: %d\n\n", n) {
						t.Fatalf("%q: event %d is %q, %v", framing, n, b, err)
					}
					late(fmt.Sprintf("event %d", n), time.Duration(n+1)*600*time.Millisecond)
				}
				conn.Close()
			}
		},
	},
	{
		Name: "streams/duplex", Source: sourceShim,
		Doc: "a request is streamed to the program while its answer is streamed back",
		Run: func(t *Trial) {
			c := t.Raw()
			conn := c.Dial()
			defer conn.Close()
			conn.Send("POST / HTTP/1.1\r\nHost: x\r\nX-Do: duplex\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
			_, resp := conn.Head("POST")
			if resp == nil {
				t.Fatalf("no answer while the request is not complete")
			}
			for _, word := range []string{"first", "again", "third"} {
				if word != "first" {
					conn.Send("5\r\n" + word + "\r\n")
				}
				b := make([]byte, 5)
				if _, err := readFull(resp, b); err != nil || string(b) != word {
					t.Fatalf("%q came back as %q, %v", word, b, err)
				}
			}
			conn.Send("0\r\n\r\n")
			if _, err := readFull(resp, make([]byte, 1)); err == nil {
				t.Errorf("the answer does not end with the request")
			}
			conn.Send(Request("GET", "/after", ""))
			if a := conn.Answer("GET"); !strings.HasPrefix(a.Body, "GET /after ") {
				t.Errorf("the connection cannot be used any more: %+v", a)
			}
		},
	},
	{
		Name: "streams/trailers", Source: sourceHTTP + ", section 6.5",
		Doc: "trailer fields pass both ways",
		Run: func(t *Trial) {
			c := t.Raw()
			conn := c.Dial()
			defer conn.Close()
			conn.Send("POST / HTTP/1.1\r\nHost: x\r\nTE: trailers\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Sum: 42\r\n\r\n")
			if a := conn.Answer("POST"); !strings.Contains(strings.ToLower(a.Body), "\r\n0\r\nx-sum: 42\r\n\r\n") {
				t.Errorf("the program got %q, %v", a.Body, a.Err)
			}
			conn.Send(Request("GET", "/", "", "TE", "trailers", "X-Do", Do(send("HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Sum: 43\r\n\r\n"))))
			if a := conn.Answer("GET"); a.Trailer.Get("X-Sum") != "43" || a.Body != "a" {
				t.Errorf("the client got body %q and trailer %v, %v", a.Body, a.Trailer, a.Err)
			}
		},
	},
	{
		Name: "streams/upgrade", Source: sourceHTTP + ", section 7.8; RFC 6455",
		Doc: "WebSockets and other upgrades: a tunnel both ways, at once, that ends when one side closes",
		Run: func(t *Trial) {
			c := t.Raw()
			conn := c.Dial()
			defer conn.Close()
			conn.Send(Request("GET", "/chat", "", "Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version", "13",
				"X-Do", Do(send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\nhello"), "tunnel")) + "early")
			a, resp := conn.Head("GET")
			if resp == nil || a.Status != http.StatusSwitchingProtocols || a.Header.Get("Upgrade") != "websocket" || !strings.EqualFold(a.Header.Get("Connection"), "upgrade") || a.Header.Get("Sec-Websocket-Accept") == "" {
				t.Fatalf("%+v", a)
			}
			for _, word := range []string{"helloearly", "one\x00\xff", "two"} {
				if word[0] != 'h' {
					conn.Send(word)
				}
				b := make([]byte, len(word))
				if _, err := readAll(conn.r, b); err != nil || string(b) != word {
					t.Fatalf("%q came back as %q, %v", word, b, err)
				}
			}
			if c.Stdout.Has(" End ") {
				t.Errorf("the request counts as ended while the tunnel is open")
			}
			conn.Close()
			t.Eventually("the program sees the end", func() bool { return c.Stdout.Has("tunnel closed") })
			t.Eventually("the End line", func() bool { return c.Stdout.Has("FC Invoke End RequestId: ") })
		},
	},
	{
		Name: "streams/upgrade-closed-by-program", Source: sourceHTTP + ", section 7.8",
		Doc: "a tunnel that the program closes is closed for the client, with all that was sent before",
		Run: func(t *Trial) {
			c := t.Raw()
			conn := c.Dial()
			defer conn.Close()
			conn.Send(Request("GET", "/chat", "", "Connection", "Upgrade", "Upgrade", "custom",
				"X-Do", Do(send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: custom\r\n\r\nbye"), "close")))
			if a, resp := conn.Head("GET"); resp == nil || a.Status != 101 {
				t.Fatalf("%+v", a)
			}
			begin := time.Now()
			if got := conn.Rest(); got != "bye" || time.Since(begin) > 5*time.Second {
				t.Errorf("the tunnel gave %q and ended after %s", got, time.Since(begin))
			}
		},
	},
	{
		Name: "streams/upgrade-refused", Source: sourceHTTP + ", section 7.8",
		Doc: "a program that does not upgrade answers as always; nor can it switch protocols without being asked",
		Run: func(t *Trial) {
			c := t.Raw()
			conn := c.Dial()
			defer conn.Close()
			conn.Send(Request("GET", "/", "", "Connection", "Upgrade", "Upgrade", "websocket", "X-Do", Do(status(426, ""))))
			if a := conn.Answer("GET"); a.Status != 426 || a.Body != "body" {
				t.Fatalf("%+v", a)
			}
			conn.Send(Request("GET", "/after", ""))
			if a := conn.Answer("GET"); !strings.HasPrefix(a.Body, "GET /after ") {
				t.Errorf("the connection cannot be used any more: %+v", a)
			}
			a := c.Ask("GET", "/", "", "X-Do", Do(send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"), "close"))
			if a.Status != 502 {
				t.Errorf("a 101 that nobody asked for came out as %d", a.Status)
			}
		},
	},
}
