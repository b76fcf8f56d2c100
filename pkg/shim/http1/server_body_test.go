package http1

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// TestExpect: 100 comes when the body is read, and only then.
func TestExpect(t *testing.T) {
	_, addr := serve(t, func(x message.Exchange) {
		switch r := x.Request(); r.Target {
		case "/read":
			if !r.Expect {
				t.Error("Expect is not set")
			}
			echo(x)
		case "/interim":
			_ = x.Interim(100, nil)
			_ = x.Interim(100, nil)
			echo(x)
		default:
			message.Answer(x, 403, nil, []byte("no"))
		}
	})
	const head = " HTTP/1.1|Host: a|Content-Length: 5|Expect: 100-continue||"
	for _, target := range []string{"/read", "/interim"} {
		c := dial(t, addr).say("POST " + target + head)
		line, _ := c.r.ReadString('\n')
		if empty, _ := c.r.ReadString('\n'); line != "HTTP/1.1 100 Continue\r\n" || empty != "\r\n" {
			t.Errorf("%q %q", line, empty)
		}
		if _, body := c.say("hello").answer("POST"); body != "POST "+target+" hello" {
			t.Errorf("%q", body)
		}
		// The connection goes on; who does not wait gets no 100.
		if resp, body := c.say("POST " + target + head + "again").answer("POST"); resp.StatusCode != 200 || body != "POST "+target+" again" {
			t.Errorf("%d %q", resp.StatusCode, body)
		}
	}
	// Refused without a look at the body: the answer is final, and says that
	// the connection ends.
	resp, body := dial(t, addr).say("POST /no" + head).answer("POST")
	if resp.StatusCode != 403 || body != "no" || !resp.Close {
		t.Errorf("%d %q %v", resp.StatusCode, body, resp.Close)
	}
	// The body was on its way: nothing of it is taken for a request.
	c := dial(t, addr).say("POST /no" + head)
	time.Sleep(50 * time.Millisecond)
	if got := c.say("GET / HTTP/1.1|Host: a||").rest(); strings.Count(got, "HTTP/1.1") != 1 {
		t.Errorf("%q", got)
	}
}

// TestUnreadBody: a short rest of a body is dropped and the connection goes
// on; a long one ends it, but the client gets its answer first.
func TestUnreadBody(t *testing.T) {
	_, addr := serve(t, func(x message.Exchange) {
		if r := x.Request(); r.Body != nil && r.Target == "/some" {
			_, _ = io.ReadFull(r.Body, make([]byte, 3))
		}
		message.Answer(x, 200, nil, []byte("ok"))
	})
	chunk := strings.Repeat("a", 1000)
	for _, target := range []string{"/none", "/some"} {
		for _, body := range []string{
			"Content-Length: 100000||" + strings.Repeat("a", 100_000),
			"Transfer-Encoding: chunked||" + strings.Repeat("3e8|"+chunk+"|", 100) + "0|T: a||",
		} {
			c := dial(t, addr)
			for range 3 {
				if _, got := c.say("POST " + target + " HTTP/1.1|Host: a|" + body).answer("POST"); got != "ok" {
					t.Error(got)
				}
			}
		}
		for _, head := range []string{"Content-Length: 20000000||", "Transfer-Encoding: chunked||1312D00|"} {
			c := dial(t, addr).say("POST " + target + " HTTP/1.1|Host: a|" + head)
			// It insists on sending all before it reads.
			if _, err := c.Write(bytes.Repeat([]byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n\r\n"), 20_000_000/30)); err != nil {
				t.Error(err)
			}
			_ = c.CloseWrite()
			if got := c.rest(); strings.Count(got, "HTTP/1.1 200") != 1 || !strings.HasSuffix(got, "ok") {
				t.Errorf("%q", got)
			}
		}
	}
}

// TestMoreAfterTheLast: what comes after the last request on a connection does
// not take its answer away.
func TestMoreAfterTheLast(t *testing.T) {
	_, addr := serve(t, func(x message.Exchange) {
		time.Sleep(20 * time.Millisecond) // so that more has come
		echo(x)
	})
	for range 5 {
		c := dial(t, addr).say("GET / HTTP/1.1|Host: a|Connection: close||" + strings.Repeat("GET / HTTP/1.1|Host: a||", 4000))
		if got := c.rest(); !strings.HasSuffix(got, "GET / ") || strings.Count(got, "HTTP/1.1") != 1 {
			t.Errorf("%q", got)
		}
	}
}

// TestBadBody: a body that breaks off or is framed wrongly is an error for who
// reads it, and the end of the connection.
func TestBadBody(t *testing.T) {
	_, addr := serve(t, echo)
	for in, want := range map[string]string{
		"Transfer-Encoding: chunked||3|abcd|0||":    "body: a chunk is not followed by CRLF",
		"Transfer-Encoding: chunked||0x3|abc|0||":   "body: a chunk's size is followed by what is not an extension",
		"Transfer-Encoding: chunked||3|ab":          "body: unexpected EOF",
		"Transfer-Encoding: chunked||":              "body: unexpected EOF",
		"Content-Length: 5||abc":                    "body: unexpected EOF",
		"Transfer-Encoding: chunked||3\nabc\n0\n\n": "body: the line with a chunk's size does not end in CRLF",
	} {
		c := dial(t, addr).say("POST / HTTP/1.1|Host: a|" + in)
		_ = c.CloseWrite()
		resp, body := c.answer("POST")
		if resp.StatusCode != 400 || body != want || c.rest() != "" {
			t.Errorf("%q: %d %q", in, resp.StatusCode, body)
		}
	}
}

// TestTrailerOfRequest is there after the body.
func TestTrailerOfRequest(t *testing.T) {
	_, addr := serve(t, func(x message.Exchange) {
		r := x.Request()
		if r.Body != nil {
			_, _ = io.Copy(io.Discard, r.Body)
		}
		message.Answer(x, 200, nil, []byte(r.Trailer.Get("sum")))
	})
	c := dial(t, addr)
	if _, got := c.say("POST / HTTP/1.1|Host: a|Transfer-Encoding: chunked||0|Sum: 1||").answer("POST"); got != "1" {
		t.Error(got)
	}
	if _, got := c.say("GET / HTTP/1.1|Host: a||").answer("GET"); got != "" {
		t.Error("the last request's trailer: ", got)
	}
}

// TestBothWays sends 64 MB up and down at once, and memory does not grow by
// them.
func TestBothWays(t *testing.T) {
	const size = 64 << 20
	_, addr := serve(t, func(x message.Exchange) {
		_ = x.Head(message.Head{Status: 200, Length: x.Request().Length})
		if _, err := io.CopyBuffer(struct{ io.Writer }{x}, x.Request().Body, make([]byte, 32<<10)); err != nil {
			t.Error(err)
		}
		_ = x.End(nil)
	})
	for _, length := range []int64{size, -1} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		req, _ := http.NewRequest("POST", "http://"+addr+"/", io.LimitReader(zeros{}, size))
		req.ContentLength = length
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		runtime.ReadMemStats(&after)
		if n != size || err != nil {
			t.Errorf("%d bytes, %v", n, err)
		}
		if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 8<<20 {
			t.Errorf("%d bytes were allocated", allocated)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestCloseBody: a goroutine that waits for the body is let go, by Close and
// by the end of the exchange, and never sees the next request.
func TestBodyAfterExchange(t *testing.T) {
	let, over := make(chan error, 1), make(chan struct{})
	_, addr := serve(t, func(x message.Exchange) {
		r := x.Request()
		if r.Target != "/wait" {
			echo(x)
			return
		}
		body, reading := r.Body, make(chan struct{})
		go func() {
			p := make([]byte, 10)
			_, _ = body.Read(p)
			close(reading)
			_, err := body.Read(p)
			let <- err
			<-over
			_, err = body.Read(p)
			let <- err
		}()
		<-reading
		time.Sleep(20 * time.Millisecond)
		if body.Buffered() != 0 {
			t.Error("something is at hand")
		}
		message.Answer(x, 200, nil, []byte("early"))
	})
	c := dial(t, addr)
	for range 3 {
		if _, body := c.say("POST /wait HTTP/1.1|Host: a|Content-Length: 5||he").answer("POST"); body != "early" {
			t.Error(body)
		}
		if err := <-let; !errors.Is(err, errBodyClosed) {
			t.Error(err)
		}
		over <- struct{}{}
		if err := <-let; !errors.Is(err, errBodyClosed) {
			t.Error("the next request was touched:", err)
		}
		// The rest of the body comes after the answer, and then another.
		if _, body := c.say("lloPOST /next HTTP/1.1|Host: a|Content-Length: 3||abc").answer("POST"); body != "POST /next abc" {
			t.Error(body)
		}
	}
}
