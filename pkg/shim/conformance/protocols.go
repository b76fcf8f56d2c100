package conformance

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// readFull fills b from an answer's body; readAll from any reader.
func readFull(resp *http.Response, b []byte) (int, error) { return io.ReadFull(resp.Body, b) }
func readAll(r io.Reader, b []byte) (int, error)          { return io.ReadFull(r, b) }

var protocolRules = []Rule{
	{
		Name: "protocols/interim", Source: sourceHTTP + ", section 15.2",
		Doc: "a program's 1xx answers pass, before the final one and as they come",
		Run: func(t *Trial) {
			c := t.Raw()
			conn := c.Dial()
			defer conn.Close()
			begin := time.Now()
			conn.Send(Request("GET", "/", "", "X-Do", Do(send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"),
				send("HTTP/1.1 102 Processing\r\n\r\n"), "sleep:200ms", status(200, ""))))
			if line, err := conn.r.Peek(12); err != nil || string(line) != "HTTP/1.1 103" {
				t.Errorf("the first answer is %q, %v", line, err)
			}
			if d := time.Since(begin); d > 150*time.Millisecond {
				t.Errorf("the 103 came after %s", d)
			}
			a := conn.Answer("GET")
			if len(a.Interim) != 2 || a.Interim[0].StatusCode != 103 || a.Interim[0].Header.Get("Link") == "" || a.Status != 200 || a.Body != "body" {
				t.Errorf("%+v", a)
			}
		},
	},
	{
		Name: "protocols/expect", Source: sourceHTTP + ", section 10.1.1",
		Doc: "Expect: 100-continue: the client is told to send its body, and the program gets it",
		Run: func(t *Trial) {
			c := t.Raw()
			conn := c.Dial()
			defer conn.Close()
			for range 2 {
				conn.Send("POST / HTTP/1.1\r\nHost: x\r\nX-Do: read;length\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
				_ = conn.SetReadDeadline(time.Now().Add(3 * time.Second))
				line, err := conn.r.Peek(12)
				if err != nil || string(line) != "HTTP/1.1 100" {
					t.Fatalf("the client waits for 100 Continue and gets %q, %v", line, err)
				}
				conn.Send("body")
				if a := conn.Answer("POST"); a.Status != 200 || a.Body != "4" || len(a.Interim) != 1 {
					t.Fatalf("%+v", a)
				}
			}
		},
	},
	{
		Name: "protocols/expect-refused", Source: sourceHTTP + ", section 10.1.1",
		Doc: "a program that answers without wanting the body is heard: the client is not told to send it, and it is not waited for",
		Run: func(t *Trial) {
			c := t.Raw()
			conn := c.Dial()
			defer conn.Close()
			begin := time.Now()
			conn.Send("POST / HTTP/1.1\r\nHost: x\r\nX-Do: " + Do(status(401, "Connection: close\r\n"), "close") + "\r\nExpect: 100-continue\r\nContent-Length: 1000000\r\n\r\n")
			if a := conn.Answer("POST"); a.Status != 401 || a.Body != "body" || len(a.Interim) > 0 {
				t.Errorf("%+v", a)
			}
			if d := time.Since(begin); d > 3*time.Second {
				t.Errorf("the answer came after %s", d)
			}
		},
	},
	{
		Name: "protocols/http10", Source: sourceHTTP1 + ", sections 9.3 and 7",
		Doc: "HTTP/1.0 clients get answers that they can read: no chunks, no 1xx, the connection closed or kept as they ask",
		Run: func(t *Trial) {
			c := t.Raw()
			conn := c.Dial()
			conn.Send("GET / HTTP/1.0\r\nX-Do: " + Do(send("HTTP/1.1 103 Early Hints\r\n\r\n"), send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")) + "\r\n\r\n")
			all := conn.Rest()
			conn.Close()
			head, body, _ := strings.Cut(all, "\r\n\r\n")
			if body != "abc" || strings.Contains(strings.ToLower(head), "transfer-encoding") || !strings.HasPrefix(head, "HTTP/1.") || !strings.Contains(head, " 200 ") {
				t.Errorf("a streamed answer to HTTP/1.0 is %q", all)
			}
			conn = c.Dial()
			defer conn.Close()
			for n := range 3 {
				conn.Send(fmt.Sprintf("GET /%d HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", n))
				if a := conn.Answer("GET"); !strings.HasPrefix(a.Body, fmt.Sprintf("GET /%d HTTP/1.1\r\n", n)) || !strings.EqualFold(a.Header.Get("Connection"), "keep-alive") {
					t.Fatalf("request %d with keep-alive: %+v", n, a)
				}
			}
			conn.Send("POST / HTTP/1.0\r\nContent-Length: 2\r\nX-Do: read;length\r\n\r\nab")
			if all := conn.Rest(); !strings.HasSuffix(all, "\r\n\r\n2") {
				t.Errorf("a POST over HTTP/1.0 without keep-alive: %q", all)
			}
		},
	},
	{
		Name: "protocols/keep-alive", Source: sourceHTTP1 + ", section 9.3",
		Doc: "a connection carries many requests, also pipelined ones, answered in order, until one says close",
		Run: func(t *Trial) {
			c := t.Raw()
			conn := c.Dial()
			defer conn.Close()
			text := ""
			for n := range 20 {
				text += Request([]string{"GET", "POST"}[n%2], fmt.Sprintf("/%d", n), strings.Repeat("x", n%2))
			}
			conn.Send(text)
			for n := range 20 {
				if a := conn.Answer("GET"); !strings.Contains(a.Body, fmt.Sprintf(" /%d HTTP/1.1\r\n", n)) {
					t.Fatalf("answer %d is %q, %v", n, a.Body, a.Err)
				}
			}
			conn.Send(Request("GET", "/last", "", "Connection", "close"))
			if a := conn.Answer("GET"); !a.Close || !conn.Closed(2*time.Second) {
				t.Errorf("after Connection: close the connection is open: %+v", a)
			}
		},
	},
	{
		Name: "protocols/idle", Source: sourceContainer,
		Doc: "idle connections from the platform are not closed",
		Run: func(t *Trial) {
			c := t.Raw()
			fresh, used := c.Dial(), c.Dial()
			defer fresh.Close()
			defer used.Close()
			used.Send(Request("GET", "/", ""))
			used.Answer("GET")
			t.Sleep(6 * time.Second) // longer than a program's 5 s
			for name, conn := range map[string]*Conn{"a new connection": fresh, "a used connection": used} {
				conn.Send(Request("GET", "/", ""))
				if a := conn.Answer("GET"); a.Status != 200 {
					t.Errorf("%s after 6 s: %+v", name, a)
				}
			}
		},
	},
	{
		Name: "protocols/h2c", Source: "RFC 9113, section 3.3",
		Doc: "HTTP/2 with prior knowledge over cleartext: requests, bodies, trailers, and many streams at once",
		Run: func(t *Trial) {
			c := t.Raw()
			p := &http.Protocols{}
			p.SetUnencryptedHTTP2(true)
			tr := &http.Transport{DialContext: c.DialContext, Protocols: p, MaxConnsPerHost: 1}
			defer tr.CloseIdleConnections()
			ask := func(method, path, body string, fields ...string) (*http.Response, string, error) {
				ctx, cancel := context.WithTimeout(t.ctx, patience)
				defer cancel()
				var r io.Reader
				if body != "" {
					r = io.MultiReader(strings.NewReader(body)) // no length known
				}
				req, _ := http.NewRequestWithContext(ctx, method, "http://function.example"+path, r)
				for i := 0; i+1 < len(fields); i += 2 {
					req.Header.Set(fields[i], fields[i+1])
				}
				resp, err := tr.RoundTrip(req)
				if err != nil {
					return nil, "", err
				}
				defer resp.Body.Close()
				b, err := io.ReadAll(resp.Body)
				return resp, string(b), err
			}
			resp, body, err := ask("GET", "/h2?q=1", "", "X-Own", "1")
			if err != nil {
				t.Fatalf("%v", err)
			}
			if resp.ProtoMajor != 2 || !strings.HasPrefix(body, "GET /h2?q=1 HTTP/1.1\r\n") || !hasLine(body, "Host: function.example") || !hasLine(body, "X-Own: 1") {
				t.Errorf("%s, the program got %q", resp.Proto, body)
			}
			if _, body, err := ask("POST", "/", strings.Repeat("x", 200000), "X-Do", "read;length"); body != "200000" {
				t.Errorf("a body of 200000 bytes came as %s, %v", body, err)
			}
			if _, body, err := ask("GET", "/", "", "X-Do", Do("read", "zeros:3000000")); len(body) != 3000000 {
				t.Errorf("an answer of 3000000 bytes came as %d, %v", len(body), err)
			}
			resp, body, err = ask("POST", "/invoke", "e", "X-Do", Do("read", send("HTTP/1.1 500 X\r\nTransfer-Encoding: chunked\r\nKeep-Alive: x\r\nTrailer: X-Sum\r\n\r\n1\r\na\r\n0\r\nX-Sum: 43\r\n\r\n")))
			if err != nil || resp.StatusCode != 500 || resp.Header.Get("X-Fc-Status") != "404" || body != "a" || resp.Trailer.Get("X-Sum") != "43" || resp.Header.Get("Keep-Alive") != "" {
				t.Errorf("%v %q, %v", resp, body, err)
			}
			var all sync.WaitGroup
			for n := range 50 {
				all.Go(func() {
					path := fmt.Sprintf("/stream/%d", n)
					if _, body, err := ask("POST", path, strings.Repeat("y", n*100+1)); err != nil || !strings.HasPrefix(body, "POST "+path+" ") {
						t.Errorf("stream %d: %.60q, %v", n, body, err)
					}
				})
			}
			all.Wait()
		},
	},
}
