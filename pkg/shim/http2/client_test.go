package http2

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// TestProgramOfNetHTTP calls a server of net/http.
func TestProgramOfNetHTTP(t *testing.T) {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</a>")
		w.WriteHeader(103)
		w.Header().Set("X-Seen", fmt.Sprint(r.Proto, " ", r.Method, " ", r.URL, " ", r.Host, " ", r.ContentLength, " ", r.Header.Get("X-In")))
		switch r.URL.Path {
		case "/none":
			w.WriteHeader(204)
			return
		case "/early":
			w.WriteHeader(413)
			return
		case "/break":
			_, _ = io.WriteString(w, "some")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("Trailer", "X-Trailer")
		_, _ = io.Copy(w, r.Body)
		w.Header().Set("X-Trailer", "got "+r.Trailer.Get("X-Last"))
	}))
	s.Config.Protocols = protocols
	s.Start()
	defer s.Close()
	k := dialing(t, s.Listener.Addr().String())
	addr, _ := listen(t, func(x message.Exchange) { answerFor(t, k, x) }, Options{})
	c := httpClient(t)

	do := func(method, path string, body io.Reader) (*http.Response, string, error) {
		req, err := http.NewRequest(method, "http://"+addr+path, body)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = "example.com"
		req.Header.Set("X-In", "y")
		if body != nil {
			req.Trailer = http.Header{"X-Last": {"words"}}
		}
		r, err := c.Do(req)
		if err != nil {
			return nil, "", err
		}
		b, err := io.ReadAll(r.Body)
		return r, string(b), err
	}
	long := strings.Repeat("long", 1<<20)
	r, body, err := do("POST", "/p?q", struct{ io.Reader }{strings.NewReader(long)})
	if err != nil || body != long || r.Trailer.Get("X-Trailer") != "got words" || r.Header.Get("X-Seen") != "HTTP/2.0 POST /p?q example.com -1 y" {
		t.Errorf("%d bytes, %v: %v", len(body), err, r)
	}
	if r, body, err = do("GET", "/", nil); err != nil || body != "" || r.Header.Get("X-Seen") != "HTTP/2.0 GET / example.com 0 y" {
		t.Errorf("%q %v: %v", body, err, r)
	}
	if r, _, err = do("HEAD", "/", nil); err != nil || r.StatusCode != 200 {
		t.Errorf("%v: %v", err, r)
	}
	if r, _, err = do("GET", "/none", nil); err != nil || r.StatusCode != 204 {
		t.Errorf("%v: %v", err, r)
	}
	if r, _, err = do("POST", "/early", io.LimitReader(zeros{}, 8<<20)); err != nil || r.StatusCode != 413 {
		t.Errorf("%v: %v", err, r)
	}
	if r, body, err = do("GET", "/break", nil); err == nil {
		t.Errorf("a broken answer is whole: %q %v", body, r)
	}
}

// TestNotHTTP2 calls programs that speak something else; nothing of the
// request must be lost.
func TestNotHTTP2(t *testing.T) {
	one := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != "PRI" { // net/http hands the preface to handlers
			t.Error("it was called")
		}
	}))
	defer one.Close()
	closes := speakRaw(t, "")
	other := speakRaw(t, "SSH-2.0-other\r\n")
	for _, addr := range []string{one.Listener.Addr().String(), closes, other} {
		k := dialing(t, addr)
		if err := k.Probe(t.Context()); !errors.Is(err, errNotHTTP2) {
			t.Errorf("Probe: %v", err)
		}
		front, _ := listen(t, func(x message.Exchange) {
			if err := k.Do(x); err != errNotHTTP2 {
				t.Errorf("Do: %v", err)
			}
			echo(x)
		}, Options{})
		r, err := httpClient(t).Post("http://"+front, "", strings.NewReader("body"))
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(r.Body); err != nil || string(b) != "body" {
			t.Errorf("%q %v", b, err)
		}
	}
}

// speakRaw says a line to each client and closes.
func speakRaw(t *testing.T, line string) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, line)
			_, _ = c.Read(make([]byte, 100))
			_ = c.Close()
		}
	}()
	return l.Addr().String()
}

// TestDeadConnection: after a freeze a connection may be dead without a sign
// of it. A POST must not be lost on it.
func TestDeadConnection(t *testing.T) {
	noLeaks(t)
	addr, _ := program(t, "127.0.0.1:0", nil)
	var deaf *deafConn
	k := &Client{Dial: func(ctx context.Context) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", addr.String())
		deaf = &deafConn{Conn: c, stop: make(chan struct{})}
		return deaf, err
	}}
	t.Cleanup(k.Close)
	front, _ := listen(t, func(x message.Exchange) { answerFor(t, k, x) }, Options{})
	post := func() {
		t.Helper()
		r, err := httpClient(t).Post("http://"+front+"/a/b", "application/grpc", strings.NewReader("\x00\x00\x00\x00\x00"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(r.Body); err != nil || r.StatusCode != 200 || r.Trailer.Get("Grpc-Status") != "0" {
			t.Errorf("%v %v", r, err)
		}
	}
	post()
	first := deaf
	close(first.stop)
	time.Sleep(restTime + 50*time.Millisecond)
	post()
	if deaf == first {
		t.Error("the dead connection was used")
	}
}

// TestDialGivenUp: a connection that its last caller has given up is not given
// to the next one, also while it is still being ended.
func TestDialGivenUp(t *testing.T) {
	addr, _ := program(t, "127.0.0.1:0", nil)
	var dials atomic.Int32
	begun, over := make(chan struct{}), make(chan struct{})
	k := &Client{Dial: func(ctx context.Context) (net.Conn, error) {
		if dials.Add(1) == 1 {
			close(begun)
			<-ctx.Done()
			<-over
			return nil, ctx.Err()
		}
		return new(net.Dialer).DialContext(ctx, "tcp", addr.String())
	}}
	t.Cleanup(k.Close)
	defer close(over)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-begun; cancel() }()
	if _, err := k.connect(ctx); err == nil {
		t.Error("connected")
	}
	if _, err := k.connect(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestRest has many requests come at once after a rest. A gRPC server ends a
// connection on which PINGs come that nothing else follows.
func TestRest(t *testing.T) {
	addr, _ := program(t, "127.0.0.1:0", nil)
	c := through(t, addr.String())
	call := func() {
		in, out := []byte("hello"), []byte(nil)
		if err := c.Invoke(t.Context(), "/a/b", &in, &out); err != nil {
			t.Error(err)
		}
	}
	call()
	time.Sleep(restTime + 50*time.Millisecond)
	var all sync.WaitGroup
	for range 100 {
		all.Go(call)
	}
	all.Wait()
}

// deafConn swallows what is written once it is stopped.
type deafConn struct {
	net.Conn
	stop chan struct{}
}

func (c *deafConn) Write(p []byte) (int, error) {
	select {
	case <-c.stop:
		return len(p), nil
	default:
		return c.Conn.Write(p)
	}
}

// TestStreamLimit: a program that allows two streams gets no third.
func TestStreamLimit(t *testing.T) {
	var running, most gauge
	program, _ := listen(t, func(x message.Exchange) {
		most.max(running.add(1))
		time.Sleep(5 * time.Millisecond)
		running.add(-1)
		readAll(x)
	}, Options{Streams: 2})
	k := dialing(t, program)
	front, _ := listen(t, func(x message.Exchange) { answerFor(t, k, x) }, Options{})
	c := httpClient(t)
	done := make(chan int)
	for range 20 {
		go func() {
			r, err := c.Get("http://" + front)
			if err != nil {
				t.Error(err)
				done <- 0
				return
			}
			_ = r.Body.Close()
			done <- r.StatusCode
		}()
	}
	for range 20 {
		if s := <-done; s != 200 {
			t.Error(s)
		}
	}
	if most.value() > 2 {
		t.Error(most.value())
	}
	k.Close()
}

func TestWantedAndIsServer(t *testing.T) {
	for _, c := range []struct {
		version message.Version
		kind    string
		want    bool
	}{{message.HTTP2, "application/grpc", true}, {message.HTTP2, "application/grpc+proto", true}, {message.HTTP11, "application/grpc", false}, {message.HTTP2, "text/plain", false}} {
		if got := wanted(&message.Request{Version: c.version, Header: fields("content-type", c.kind)}); got != c.want {
			t.Errorf("%+v", c)
		}
	}
	settings := string(appendFrame(nil, frameSettings, 0, 0, 12))
	for b, want := range map[string]bool{settings: true, settings + "x": true, settings[:8]: false, "HTTP/1.1 400 Bad Request": false, "": false} {
		if isServer([]byte(b)) != want {
			t.Errorf("%q", b)
		}
	}
}
