package relay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// recorder is an Exchange that keeps what it was told.
type recorder struct {
	request message.Request

	mu       sync.Mutex
	interims []int
	head     *message.Head
	body     bytes.Buffer
	flushed  int // length of body at the last flush
	trailer  message.Header
	ended    bool
	aborted  bool
	gone     func()
	fail     bool // writes fail, because the client is gone
}

func get(target string, fields ...string) *recorder { return ask("GET", target, "", fields...) }

func ask(method, target, body string, fields ...string) *recorder {
	x := &recorder{request: message.Request{Method: method, Target: target, Version: message.HTTP11}}
	x.request.Header.Add("Host", "own.example")
	for i := 0; i < len(fields); i += 2 {
		x.request.Header.Add(fields[i], fields[i+1])
	}
	if body != "" {
		x.request.Length = int64(len(body))
		x.request.Body = &stringBody{strings.NewReader(body)}
	}
	return x
}

// stringBody is a body that is at hand.
type stringBody struct{ *strings.Reader }

func (b *stringBody) Buffered() int { return b.Len() }

var errGone = errors.New("gone")

func (x *recorder) Request() *message.Request { return &x.request }

func (x *recorder) Interim(status int, h message.Header) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.interims = append(x.interims, status)
	return nil
}

func (x *recorder) Head(h message.Head) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	h.Header = h.Header.Clone()
	x.head = &h
	return nil
}

func (x *recorder) Write(p []byte) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.fail {
		return 0, errGone
	}
	return x.body.Write(p)
}

func (x *recorder) Flush() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.flushed = x.body.Len()
	if x.fail {
		return errGone
	}
	return nil
}

func (x *recorder) End(trailer message.Header) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.head == nil {
		return errors.New("End without Head")
	}
	if n := x.head.Length; n >= 0 && n != int64(x.body.Len()) && x.request.Method != "HEAD" && x.head.Status != 304 {
		return fmt.Errorf("%d bytes of %d", x.body.Len(), n)
	}
	x.trailer, x.ended = trailer.Clone(), true
	return nil
}

func (x *recorder) Abort() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.aborted = true
}

func (x *recorder) Upgrade() (net.Conn, error) { return nil, errGone }

func (x *recorder) OnGone(f func()) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.gone = f
}

func (x *recorder) leave() {
	x.mu.Lock()
	f := x.gone
	x.mu.Unlock()
	f()
}

// String is the answer in one line.
func (x *recorder) String() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	var b strings.Builder
	for _, n := range x.interims {
		fmt.Fprintf(&b, "%d ", n)
	}
	if x.head == nil {
		b.WriteString("nothing")
	} else {
		fmt.Fprintf(&b, "%d %v %q", x.head.Status, x.head.Header, x.body.String())
	}
	if len(x.trailer) > 0 {
		fmt.Fprintf(&b, " %v", x.trailer)
	}
	switch {
	case x.ended:
		b.WriteString(" ended")
	case x.aborted:
		b.WriteString(" aborted")
	}
	return b.String()
}

// program is a server that a test plays by hand.
type program struct {
	net.Listener
	t *testing.T
}

func listen(t *testing.T) *program {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return &program{Listener: l, t: t}
}

// relay relays to p.
func (p *program) relay() *Relay {
	r := New(Options{Dial: func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", p.Addr().String())
	}})
	p.t.Cleanup(r.Close)
	return r
}

// accept waits for a connection. It breaks after 30 s.
func (p *program) accept() net.Conn {
	c, err := p.Accept()
	if err != nil {
		return nil
	}
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	p.t.Cleanup(func() { c.Close() })
	return c
}

// readHead reads up to an empty line, byte by byte.
func readHead(c net.Conn) string {
	var b []byte
	for one := make([]byte, 1); !bytes.HasSuffix(b, []byte("\r\n\r\n")); {
		if _, err := io.ReadFull(c, one); err != nil {
			break
		}
		b = append(b, one[0])
	}
	return string(b)
}

func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !f(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not happen", what)
		}
	}
}

// blockedDial waits until its context ends.
func blockedDial(began chan<- bool) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) {
		close(began)
		<-ctx.Done()
		return nil, ctx.Err()
	}
}
