package runtimeapi

import (
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/imgbuild/imgbuild/pkg/shim/http1"
	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// call is an exchange that a test makes, and what came of it.
type call struct {
	request message.Request
	head    message.Head
	body    strings.Builder
	began   atomic.Bool
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
func (x *call) Head(h message.Head) error         { x.head = h; x.began.Store(true); return nil }
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

// listen serves h on loopback until the test ends.
func listen(t *testing.T, h message.Handler) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http1.Server{Handler: h, CloseIsGone: true}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	return l.Addr().String()
}
