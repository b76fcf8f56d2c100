package http1

import (
	"encoding/json"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// TestRefused: what cannot be read is answered with why, the connection ends,
// and no handler sees it.
func TestRefused(t *testing.T) {
	var told atomic.Int32
	_, addr := serve(t, func(x message.Exchange) { t.Errorf("served: %+v", x.Request()) }, func(s *Server) {
		s.HeaderLimit = 1000
		s.Refused = func(net.Addr, error) { told.Add(1) }
	})
	n := int32(0)
	for _, c := range []struct {
		name, in string
		status   int
		kind     string
	}{
		{"garbage", "hello||", 400, "BadRequest"},
		{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "BadRequest"},
		{"bare LF", "GET / HTTP/1.1\nHost: a\n\n", 400, "BadRequest"},
		{"smuggling", "POST / HTTP/1.1|Host: a|Content-Length: 5|Transfer-Encoding: chunked||0||GET /x HTTP/1.1|Host: a||", 400, "BadRequest"},
		{"coding", "POST / HTTP/1.1|Host: a|Transfer-Encoding: gzip, chunked||", 501, "NotImplemented"},
		{"version", "GET / HTTP/3.0|Host: a||", 505, "HTTPVersionNotSupported"},
		{"HTTP/2", preface, 505, "HTTPVersionNotSupported"},
		{"large", "GET / HTTP/1.1|Host: a|A: " + strings.Repeat("b", 1000) + "||", 431, "RequestHeaderFieldsTooLarge"},
		{"large without an end", "GET /" + strings.Repeat("b", 100_000), 431, "RequestHeaderFieldsTooLarge"},
		{"expectation", "POST / HTTP/1.1|Host: a|Expect: wonders|Content-Length: 1||a", 417, "ExpectationFailed"},
		{"two empty lines before", "||GET / HTTP/1.1|Host: a||", 400, "BadRequest"},
	} {
		n++
		conn := dial(t, addr).say(c.in)
		resp, body := conn.answer("GET")
		var failure struct{ ErrorType, ErrorMessage string }
		if err := json.Unmarshal([]byte(body), &failure); err != nil || resp.StatusCode != c.status || failure.ErrorType != c.kind || failure.ErrorMessage == "" ||
			resp.Header.Get("Content-Type") != "application/json" || !resp.Close {
			t.Errorf("%s: %d %q", c.name, resp.StatusCode, body)
		}
		if rest := conn.rest(); rest != "" {
			t.Errorf("%s: %q follows", c.name, rest)
		}
	}
	if told.Load() != n {
		t.Errorf("told of %d of %d", told.Load(), n)
	}
}

// TestCutHead: a client that ends its side within a head is told; one that
// says nothing is not.
func TestCutHead(t *testing.T) {
	_, addr := serve(t, echo)
	c := dial(t, addr).say("GET / HTTP/1.1|Hos")
	_ = c.CloseWrite()
	if resp, _ := c.answer("GET"); resp.StatusCode != 400 {
		t.Error(resp.StatusCode)
	}
	c = dial(t, addr)
	_ = c.CloseWrite()
	if got := c.rest(); got != "" {
		t.Errorf("%q", got)
	}
}

// TestLargeHead takes 64 KB of fields, and a small request after it.
func TestLargeHead(t *testing.T) {
	_, addr := serve(t, func(x message.Exchange) {
		message.Answer(x, 200, x.Request().Header[1:], nil)
	})
	c := dial(t, addr)
	for range 3 {
		value := strings.Repeat("v", 64<<10)
		if resp, _ := c.say("GET / HTTP/1.1|Host: a|A: " + value + "||").answer("GET"); resp.Header.Get("A") != value {
			t.Error("the field was changed")
		}
		if resp, _ := c.say("GET / HTTP/1.1|Host: a|B: c||").answer("GET"); resp.Header.Get("B") != "c" || resp.Header.Get("A") != "" {
			t.Error("the small request was changed")
		}
	}
}

// TestSlowHead: the time for a head begins with its first byte and ends with
// it; there is none between requests or for a body.
func TestSlowHead(t *testing.T) {
	const limit = 500 * time.Millisecond
	_, addr := serve(t, echo, func(s *Server) { s.HeadTimeout = limit })
	for _, before := range []string{"", "GET / HTTP/1.1|Host: a||"} {
		c := dial(t, addr)
		if before != "" {
			c.say(before).answer("GET")
		}
		time.Sleep(2 * limit) // idle
		start := time.Now()
		go func() {
			for _, b := range "GET / HTTP/1.1\r\nHost: a\r\nA: " {
				if _, err := c.Write([]byte(string(b))); err != nil {
					return
				}
				time.Sleep(limit / 10)
			}
		}()
		resp, body := c.answer("GET")
		if took := time.Since(start); resp.StatusCode != 408 || !strings.Contains(body, "RequestTimeout") || took < limit-10*time.Millisecond {
			t.Errorf("%d %q after %v", resp.StatusCode, body, took)
		}
	}

	// The first half of a head is not the last thing that has its time; on a busy
	// machine the other may come too late a few times.
	for attempt := 1; ; attempt++ {
		c := dial(t, addr).say("POST / HTTP/1.1|Host: a|Con")
		time.Sleep(limit / 4)
		c.say("tent-Length: 4||")
		for _, b := range "slow" {
			time.Sleep(limit / 2)
			c.say(string(b))
		}
		resp, body := c.answer("POST")
		if body == "POST / slow" {
			break
		}
		if resp.StatusCode != 408 || attempt == 5 {
			t.Fatal(resp.StatusCode, body)
		}
	}
}

// TestHalfClosed: a client that has sent its FIN still gets its answer.
func TestHalfClosed(t *testing.T) {
	_, addr := serve(t, func(x message.Exchange) {
		gone := make(chan struct{})
		x.OnGone(func() { close(gone) })
		select {
		case <-gone:
			t.Error("a client that reads was taken for gone")
		case <-time.After(4 * sweepEvery):
		}
		x.OnGone(nil)
		echo(x)
	})
	c := dial(t, addr).say("GET / HTTP/1.1|Host: a||")
	_ = c.CloseWrite()
	if got := c.rest(); !strings.HasSuffix(got, "GET / ") {
		t.Errorf("%q", got)
	}
}

// TestGone: a reset is noticed while nothing is written, a client that just
// closed when something is.
func TestGone(t *testing.T) {
	arrived, noticed := make(chan struct{}), make(chan string, 1)
	_, addr := serve(t, func(x message.Exchange) {
		gone := make(chan struct{})
		x.OnGone(func() { close(gone) })
		arrived <- struct{}{}
		if x.Request().Target == "/stream" {
			_ = x.Head(message.Head{Status: 200, Length: -1})
			for x.Flush() == nil {
				_, _ = x.Write([]byte("data"))
				time.Sleep(10 * time.Millisecond)
			}
		}
		select {
		case <-gone:
			noticed <- "gone"
		case <-time.After(30 * time.Second):
			noticed <- "not noticed"
		}
	})
	for _, target := range []string{"/wait", "/stream"} {
		c := dial(t, addr).say("GET " + target + " HTTP/1.1|Host: a||")
		<-arrived
		if target == "/wait" {
			time.Sleep(30 * time.Millisecond)
			_ = c.SetLinger(0)
		}
		start := time.Now()
		_ = c.Close()
		if got := <-noticed; got != "gone" {
			t.Errorf("%s: %s after %v", target, got, time.Since(start))
		}
	}

	// A reset in mid-answer ends in an error for who writes.
	c := dial(t, addr).say("GET /stream HTTP/1.1|Host: a||")
	<-arrived
	_, _ = io.ReadFull(c.r, make([]byte, 10))
	_ = c.SetLinger(0)
	_ = c.Close()
	if got := <-noticed; got != "gone" {
		t.Error(got)
	}
}

// TestCloseIsGone: where a server is told so, a FIN is enough.
func TestCloseIsGone(t *testing.T) {
	gone := make(chan struct{})
	_, addr := serve(t, func(x message.Exchange) {
		x.OnGone(func() { close(gone) })
		<-gone
	}, func(s *Server) { s.CloseIsGone = true })
	c := dial(t, addr).say("GET / HTTP/1.1|Host: a||")
	_ = c.CloseWrite()
	select {
	case <-gone:
	case <-time.After(30 * time.Second):
		t.Error("not noticed")
		close(gone)
	}
}

// TestOnGoneTakenBack: after OnGone(nil) nothing is called, nor after the end.
func TestOnGoneTakenBack(t *testing.T) {
	arrived, served := make(chan struct{}), make(chan struct{}, 1)
	_, addr := serve(t, func(x message.Exchange) {
		defer func() { served <- struct{}{} }()
		switch x.Request().Target {
		case "/nil":
			x.OnGone(func() { t.Error("called after it was taken back") })
			x.OnGone(nil)
			arrived <- struct{}{}
			time.Sleep(5 * sweepEvery)
		case "/first":
			x.OnGone(func() { t.Error("called for another exchange") })
			message.Answer(x, 200, nil, nil)
		case "/second":
			arrived <- struct{}{}
			time.Sleep(5 * sweepEvery)
		}
	})
	c := dial(t, addr).say("GET /nil HTTP/1.1|Host: a||")
	<-arrived
	_ = c.SetLinger(0)
	_ = c.Close()
	<-served
	c = dial(t, addr).say("GET /first HTTP/1.1|Host: a||")
	c.answer("GET")
	<-served
	c.say("GET /second HTTP/1.1|Host: a||")
	<-arrived
	_ = c.SetLinger(0)
	_ = c.Close()
	<-served
}
