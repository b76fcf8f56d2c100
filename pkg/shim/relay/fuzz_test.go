package relay

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// FuzzAnswer has a program answer with any bytes, in pieces, and compares what
// the client is told with what net/http makes of the same bytes.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nA: b\r\n\r\n",
		"HTTP/1.0 200 OK\r\n\r\nab", "HTTP/1.1 103 X\r\n\r\nHTTP/1.1 204 No\r\n\r\n", "HTTP/1.1 101 X\r\nUpgrade: y\r\nConnection: upgrade\r\n\r\n",
		"HTTP/1.1 200\nContent-Length: 1\n\na", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	} {
		f.Add([]byte(s), byte(7), false, false)
		f.Add([]byte(s), byte(1), true, true)
	}
	f.Fuzz(func(t *testing.T, answer []byte, piece byte, head, posts bool) {
		near, far := net.Pipe()
		go func() {
			go func() { _, _ = io.Copy(io.Discard, far) }()
			for rest := answer; len(rest) > 0; {
				n := min(int(piece)+1, len(rest))
				if _, err := far.Write(rest[:n]); err != nil {
					break
				}
				rest = rest[n:]
			}
			far.Close()
		}()
		dialed := false
		r := New(Options{Dial: func(context.Context) (net.Conn, error) {
			if dialed {
				return nil, errors.New("no more")
			}
			dialed = true
			return near, nil
		}})
		x := get("/")
		switch {
		case head:
			x = ask("HEAD", "/", "")
		case posts:
			x = ask("POST", "/", "body", "Content-Length", "4")
		}
		done := make(chan error, 1)
		go func() { done <- r.Do(x) }()
		var err error
		select {
		case err = <-done:
		case <-time.After(5 * time.Second):
			t.Fatalf("%q hangs", answer)
		}
		r.Close()
		if x.ended && x.aborted || x.ended != (err == nil) || x.head == nil && (x.ended || x.aborted) {
			t.Fatalf("%s: %v", x, err)
		}
		var failure *message.Failure
		if x.head == nil && !errors.As(err, &failure) {
			t.Fatalf("no answer and no failure: %v", err)
		}
		if x.ended {
			compare(t, x, answer)
		}
	})
}

// compare has net/http read the answer that was passed on as whole.
func compare(t *testing.T, x *recorder, answer []byte) {
	for _, f := range append(x.head.Header, x.trailer...) {
		if f.Name == "" || strings.ContainsAny(f.Name, " \t\r\n\x00:") || strings.ContainsAny(f.Value, "\r\n\x00") ||
			message.Same(f.Name, "Transfer-Encoding") || message.Same(f.Name, "Content-Length") || message.Same(f.Name, "Connection") {
			t.Fatalf("the client gets %q", f)
		}
	}
	request := &http.Request{Method: x.request.Method}
	in := bufio.NewReader(bytes.NewReader(answer))
	for {
		resp, err := http.ReadResponse(in, request)
		if err != nil {
			return // it refuses more
		}
		if resp.StatusCode < 200 {
			continue
		}
		body, err := io.ReadAll(resp.Body)
		if resp.StatusCode != x.head.Status || err == nil && !bytes.Equal(body, x.body.Bytes()) {
			t.Fatalf("net/http reads %d %q %v, the relay %s", resp.StatusCode, body, err, x)
		}
		return
	}
}
