package runtimeapi

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// call is an exchange that a test makes, and what came of it.
type call struct {
	request message.Request
	head    message.Head
	body    strings.Builder
	ended   bool
	aborted bool
	refuse  bool // writes fail: the client is gone
	mu      sync.Mutex
	gone    func()
}

type text struct{ io.Reader }

func (text) Buffered() int { return 0 }

func newCall(method, target, body string, fields ...string) *call {
	x := &call{request: message.Request{Method: method, Target: target, Version: message.HTTP11, Length: int64(len(body))}}
	if body != "" {
		x.request.Body = text{strings.NewReader(body)}
	}
	for i := 0; i < len(fields); i += 2 {
		x.request.Header.Add(fields[i], fields[i+1])
	}
	return x
}

func (x *call) Request() *message.Request         { return &x.request }
func (x *call) Interim(int, message.Header) error { return nil }
func (x *call) Flush() error                      { return nil }
func (x *call) Head(h message.Head) error         { x.head = h; return nil }
func (x *call) Upgrade() (net.Conn, error)        { return nil, errors.New("none") }
func (x *call) Abort()                            { x.aborted = true }
func (x *call) Write(p []byte) (int, error) {
	if x.refuse {
		return 0, net.ErrClosed
	}
	return x.body.Write(p)
}
func (x *call) End(message.Header) error {
	if x.head.Length >= 0 && x.head.Length != int64(x.body.Len()) {
		return errors.New("the length is wrong")
	}
	x.ended = true
	return nil
}
func (x *call) OnGone(f func()) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.gone = f
}
func (x *call) leave() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.gone != nil {
		x.gone()
	}
}

// served is an exchange of net/http's server, which stands in for the shim's
// own here.
type served struct {
	w http.ResponseWriter
	r *http.Request
	m message.Request

	mu   sync.Mutex
	gone func()
}

func (s *served) Request() *message.Request         { return &s.m }
func (s *served) Interim(int, message.Header) error { return nil }
func (s *served) Flush() error                      { return http.NewResponseController(s.w).Flush() }
func (s *served) Write(p []byte) (int, error)       { return s.w.Write(p) }
func (s *served) End(message.Header) error          { return s.Flush() }
func (s *served) Abort()                            { panic(http.ErrAbortHandler) }
func (s *served) Upgrade() (net.Conn, error)        { return nil, errors.New("none") }
func (s *served) Head(h message.Head) error {
	for _, f := range h.Header {
		s.w.Header().Add(f.Name, f.Value)
	}
	s.w.WriteHeader(h.Status)
	return nil
}
func (s *served) OnGone(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone = f
}

// listen serves h on loopback until the test ends.
func listen(t *testing.T, h message.Handler) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := &served{w: w, r: r, m: message.Request{Method: r.Method, Target: r.RequestURI, Length: r.ContentLength, Body: text{r.Body}}}
		for name, values := range r.Header {
			for _, v := range values {
				s.m.Header.Add(name, v)
			}
		}
		done := make(chan struct{})
		defer close(done)
		if r.Method == "GET" {
			go func() {
				select {
				case <-r.Context().Done():
					s.mu.Lock()
					defer s.mu.Unlock()
					if s.gone != nil {
						s.gone()
					}
				case <-done:
				}
			}()
		}
		h.Serve(s)
	})}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	return l.Addr().String()
}
