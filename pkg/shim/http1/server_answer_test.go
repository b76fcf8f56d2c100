package http1

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// TestLargeAnswers pass in all sizes around the buffer's.
func TestLargeAnswers(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	_, addr := serve(t, func(x message.Exchange) {
		r := x.Request()
		size, length := r.Header.Get("Size"), int64(-1)
		n := int(mustLength(size))
		if r.Target == "/known" {
			length = int64(n)
		}
		_ = x.Head(message.Head{Status: 200, Length: length})
		_, _ = x.Write(body[:n/2])
		if n%3 == 0 {
			_ = x.Flush()
		}
		_, _ = x.Write(body[n/2 : n])
		_ = x.End(nil)
	})
	c := dial(t, addr)
	for _, target := range []string{"/known", "/unknown"} {
		for _, n := range []string{"1", "2", "8000", "8090", "8192", "16300", "16384", "16390", "65536", "1048576"} {
			_, got := c.say("GET " + target + " HTTP/1.1|Host: a|Size: " + n + "||").answer("GET")
			if got != string(body[:mustLength(n)/2])+string(body[mustLength(n)/2:mustLength(n)]) {
				t.Errorf("%s %s: %d bytes", target, n, len(got))
			}
		}
	}
}

func mustLength(s string) int64 {
	n, err := parseLength(s)
	if err != nil {
		panic(err)
	}
	return n
}

// TestBrokenOff: what is not complete never looks as if it were.
func TestBrokenOff(t *testing.T) {
	_, addr := serve(t, func(x message.Exchange) {
		switch x.Request().Target {
		case "/before":
		case "/length", "/short":
			_ = x.Head(message.Head{Status: 200, Length: 10})
			_, _ = x.Write([]byte("12345"))
			if x.Request().Target == "/short" && !errors.Is(x.End(nil), ErrTooShort) {
				t.Error("End took too little")
			}
		case "/long":
			_ = x.Head(message.Head{Status: 200, Length: 3})
			if _, err := x.Write([]byte("12345")); !errors.Is(err, ErrTooLong) {
				t.Error(err)
			}
		case "/full":
			_ = x.Head(message.Head{Status: 200, Length: 3})
			_, _ = x.Write([]byte("123"))
		default:
			_ = x.Head(message.Head{Status: 200, Length: -1})
			_, _ = x.Write([]byte("12345"))
			_ = x.Flush()
		}
		if x.Request().Target != "/short" {
			x.Abort()
			if _, err := x.Write([]byte("a")); err == nil {
				t.Error("written after Abort")
			}
		}
	})
	for in, want := range map[string]string{ // what comes before the break
		"/before HTTP/1.1": "", "/length HTTP/1.1": "12345", "/short HTTP/1.1": "12345", "/long HTTP/1.1": "", "/full HTTP/1.1": "",
		"/chunked HTTP/1.1": "12345", "/close HTTP/1.0": "12345",
	} {
		c := dial(t, addr).say("GET " + in + "|Host: a||")
		var body []byte
		resp, err := http.ReadResponse(c.r, nil)
		if err == nil {
			body, err = io.ReadAll(resp.Body)
		}
		var network net.Error
		if err == nil || errors.As(err, &network) && network.Timeout() {
			t.Errorf("%s looked complete: %v", in, err)
		}
		if string(body) != want {
			t.Errorf("%s: %q came", in, body)
		}
	}
}
