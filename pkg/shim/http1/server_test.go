package http1

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// echo answers with the method, the target and the body.
func echo(x message.Exchange) {
	r := x.Request()
	out := fmt.Appendf(nil, "%s %s ", r.Method, r.Target)
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			message.Answer(x, 400, nil, fmt.Append(nil, "body: ", err))
			return
		}
		out = append(out, body...)
	}
	message.Answer(x, 200, nil, out)
}

// TestWire has the exact bytes of answers.
func TestWire(t *testing.T) {
	text := message.Header{{Name: "Content-Type", Value: "text/plain"}}
	_, addr := serve(t, func(x message.Exchange) {
		switch r := x.Request(); r.Path() {
		case "/known":
			message.Answer(x, 200, text, []byte("hello"))
		case "/unknown":
			_ = x.Head(message.Head{Status: 200, Header: text, Length: -1})
			_, _ = x.Write([]byte("hel"))
			_, _ = x.Write(nil)
			_, _ = x.Write([]byte("lo, world and all"))
			_ = x.End(message.Header{{Name: "Sum", Value: "1"}})
		case "/empty":
			_ = x.Head(message.Head{Status: 200, Length: -1})
			_ = x.End(nil)
		case "/204", "/304":
			status := 204
			if r.Path() == "/304" {
				status = 304
			}
			_ = x.Head(message.Head{Status: status, Length: 7})
			_, _ = x.Write([]byte("left out"))
			_ = x.End(nil)
		case "/interim":
			_ = x.Interim(103, message.Header{{Name: "Link", Value: "a"}})
			_ = x.Interim(100, nil)
			message.Answer(x, 299, nil, nil)
		case "/own":
			_ = x.Head(message.Head{Status: 404, Reason: "No Such Thing", Length: 0, Header: message.Header{
				{Name: "connection", Value: "close"}, {Name: "Content-Length", Value: "99"}, {Name: "Transfer-Encoding", Value: "chunked"},
				{Name: "Keep-Alive", Value: "1"}, {Name: "Upgrade", Value: "x"}, {Name: "Same", Value: "1"}, {Name: "Same", Value: "2"}}})
			_ = x.End(nil)
		case "/split":
			_ = x.Head(message.Head{Status: 200, Reason: "O\nK", Length: 0, Header: message.Header{{Name: "A", Value: "b\r\nContent-Length: 5"}, {Name: "C\x00\n", Value: "d"}}})
			_ = x.End(nil)
		}
	})
	const last = "GET /empty HTTP/1.1|Host: a|Connection: close||"
	const lastAnswer = "HTTP/1.1 200 OK|Transfer-Encoding: chunked|Connection: close||0||"
	for _, c := range []struct{ in, want string }{
		{"GET /known HTTP/1.1|Host: a||" + last, "HTTP/1.1 200 OK|Content-Type: text/plain|Content-Length: 5||hello" + lastAnswer},
		{"|GET /known HTTP/1.1|Host: a||" + last, "HTTP/1.1 200 OK|Content-Type: text/plain|Content-Length: 5||hello" + lastAnswer},
		{"HEAD /known HTTP/1.1|Host: a||" + last, "HTTP/1.1 200 OK|Content-Type: text/plain|Content-Length: 5||" + lastAnswer},
		{"GET /known HTTP/1.0||" + last, "HTTP/1.1 200 OK|Content-Type: text/plain|Content-Length: 5|Connection: close||hello"},
		{"GET /known HTTP/1.0|Connection: keep-alive||" + last, "HTTP/1.1 200 OK|Content-Type: text/plain|Content-Length: 5|Connection: keep-alive||hello" + lastAnswer},
		{"GET /known HTTP/1.1|Host: a|Connection: close||" + last, "HTTP/1.1 200 OK|Content-Type: text/plain|Content-Length: 5|Connection: close||hello"},
		{"GET /unknown HTTP/1.1|Host: a||" + last, "HTTP/1.1 200 OK|Content-Type: text/plain|Transfer-Encoding: chunked||3|hel|11|lo, world and all|0|Sum: 1||" + lastAnswer},
		{"HEAD /unknown HTTP/1.1|Host: a||" + last, "HTTP/1.1 200 OK|Content-Type: text/plain||" + lastAnswer},
		{"GET /unknown HTTP/1.0|Connection: keep-alive||", "HTTP/1.1 200 OK|Content-Type: text/plain|Connection: close||hello, world and all"},
		{"GET /204 HTTP/1.1|Host: a||" + last, "HTTP/1.1 204 No Content||" + lastAnswer},
		{"GET /304 HTTP/1.1|Host: a||" + last, "HTTP/1.1 304 Not Modified|Content-Length: 7||" + lastAnswer},
		{"GET /interim HTTP/1.1|Host: a||" + last, "HTTP/1.1 103 Early Hints|Link: a||HTTP/1.1 299 |Content-Length: 0||" + lastAnswer},
		{"GET /interim HTTP/1.0||", "HTTP/1.1 299 |Content-Length: 0|Connection: close||"},
		{"GET /own HTTP/1.1|Host: a||" + last, "HTTP/1.1 404 No Such Thing|Same: 1|Same: 2|Content-Length: 0||" + lastAnswer},
		{"GET /split HTTP/1.1|Host: a||" + last, "HTTP/1.1 200 O K|A: b  Content-Length: 5|C  : d|Content-Length: 0||" + lastAnswer},
	} {
		if got := dial(t, addr).say(c.in).rest(); got != crlfs(c.want) {
			t.Errorf("%q:\n%q, want\n%q", c.in, got, crlfs(c.want))
		}
	}
}

// TestPipeline sends requests of all kinds at once and byte by byte.
func TestPipeline(t *testing.T) {
	_, addr := serve(t, echo)
	var in, want strings.Builder
	for i := range 50 {
		fmt.Fprintf(&in, "GET /%d HTTP/1.1|Host: a||", i)
		fmt.Fprintf(&in, "POST /%d HTTP/1.1|Host: a|Content-Length: 5||hello", i)
		fmt.Fprintf(&in, "PUT /%d HTTP/1.1|Host: a|Transfer-Encoding: chunked||3|abc|2|de|0|T: 1||", i)
		fmt.Fprintf(&want, "GET /%d |POST /%d hello|PUT /%d abcde|", i, i, i)
	}
	for _, step := range []int{1 << 20, 1, 7} {
		c := dial(t, addr)
		go func() {
			text := []byte(crlfs(in.String()))
			for len(text) > 0 {
				n := min(step, len(text))
				_, _ = c.Write(text[:n])
				text = text[n:]
			}
		}()
		var got strings.Builder
		for range 150 {
			_, body := c.answer("GET")
			got.WriteString(body + "|")
		}
		if got.String() != want.String() {
			t.Errorf("%d bytes at a time: %q", step, got.String())
		}
	}
}

// TestOneWrite counts the pieces in which an answer arrives at the connection.
func TestOneWrite(t *testing.T) {
	in, out := net.Pipe()
	s := &Server{Handler: message.HandlerFunc(func(x message.Exchange) {
		_ = x.Head(message.Head{Status: 200, Length: -1})
		for range 10 {
			_, _ = x.Write([]byte("0123456789"))
		}
		_ = x.End(nil)
	})}
	s.start(out)
	_, _ = in.Write([]byte(crlfs("GET / HTTP/1.1|Host: a||")))
	p := make([]byte, 10_000)
	n, err := in.Read(p) // a pipe gives what one Write had
	if err != nil || !bytes.HasSuffix(p[:n], []byte(crlfs("|0||"))) {
		t.Errorf("%q, %v", p[:n], err)
	}
	_ = in.Close()
	_ = s.Shutdown(t.Context())
}

func TestAllocations(t *testing.T) {
	hello := []byte("hello")
	_, addr := serve(t, func(x message.Exchange) {
		x.OnGone(func() {})
		message.Answer(x, 200, nil, hello)
	})
	c := dial(t, addr)
	request := []byte(crlfs("GET / HTTP/1.1|Host: a|User-Agent: test|Accept: */*||"))
	p := make([]byte, 1000)
	allocations := testing.AllocsPerRun(500, func() {
		_, _ = c.Write(request)
		if n, err := c.TCPConn.Read(p); n == 0 || err != nil {
			t.Fatal(err)
		}
	})
	if allocations > 2 && !raceDetector {
		t.Errorf("%v allocations a request", allocations)
	}
}

func BenchmarkServer(b *testing.B) {
	hello := []byte("hello")
	_, addr := serve(b, func(x message.Exchange) { message.Answer(x, 200, nil, hello) })
	request := []byte(crlfs("GET / HTTP/1.1|Host: a|User-Agent: test|Accept: */*||"))
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			b.Error(err)
			return
		}
		defer c.Close()
		p := make([]byte, 1000)
		for pb.Next() {
			_, _ = c.Write(request)
			if _, err := c.Read(p); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// TestPanic: of a handler's panic only its connection dies.
func TestPanic(t *testing.T) {
	told := make(chan any, 1)
	_, addr := serve(t, func(x message.Exchange) {
		if x.Request().Target == "/panic" {
			panic("on purpose")
		}
		echo(x)
	}, func(s *Server) { s.Panicked = func(v any) { told <- v } })
	if got := dial(t, addr).say("GET /panic HTTP/1.1|Host: a||").rest(); got != "" {
		t.Errorf("%q", got)
	}
	if v := <-told; v != "on purpose" {
		t.Error(v)
	}
	if _, body := dial(t, addr).say("GET / HTTP/1.1|Host: a||").answer("GET"); body != "GET / " {
		t.Error(body)
	}
}

// TestWrongOrder: calls that make no sense fail and do no harm.
func TestWrongOrder(t *testing.T) {
	_, addr := serve(t, func(x message.Exchange) {
		for what, err := range map[string]error{
			"End":                 x.End(nil),
			"Flush":               x.Flush(),
			"Head with 101":       x.Head(message.Head{Status: 101}),
			"Head with 100":       x.Head(message.Head{Status: 100}),
			"Head with 1000":      x.Head(message.Head{Status: 1000}),
			"Interim with 101":    x.Interim(101, nil),
			"Write":               func() error { _, err := x.Write([]byte("a")); return err }(),
			"Upgrade":             func() error { _, err := x.Upgrade(); return err }(),
			"Interim with 200":    x.Interim(200, nil),
			"Interim with a line": x.Interim(103, message.Header{{Name: "A", Value: "\n"}}),
		} {
			if err == nil {
				t.Errorf("%s was taken", what)
			}
		}
		message.Answer(x, 200, nil, []byte("good"))
		if x.Head(message.Head{Status: 200}) == nil || x.Flush() == nil || x.End(nil) == nil {
			t.Error("the exchange had ended")
		}
		x.Abort()
	})
	c := dial(t, addr)
	for range 2 {
		if _, body := c.say("GET / HTTP/1.1|Host: a||").answer("GET"); body != "good" {
			t.Error(body)
		}
	}
}

// TestStdClient talks to net/http's client, many at once.
func TestStdClient(t *testing.T) {
	_, addr := serve(t, echo)
	done := make(chan error)
	for i := range 16 {
		go func() {
			for j := range 50 {
				want := strings.Repeat(fmt.Sprint(i, j), j*200)
				req, _ := http.NewRequestWithContext(context.Background(), "POST", "http://"+addr+"/", strings.NewReader(want))
				if j%2 == 0 {
					req.ContentLength = -1
				}
				resp, err := http.DefaultClient.Do(req)
				if err != nil {
					done <- err
					return
				}
				got, err := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				if string(got) != "POST / "+want || err != nil {
					done <- fmt.Errorf("%d bytes, %v", len(got), err)
					return
				}
			}
			done <- nil
		}()
	}
	for range 16 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
