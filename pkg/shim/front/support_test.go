package front

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"

	"github.com/imgbuild/imgbuild/pkg/fc"
	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// exchange is one call that a test makes, and what came of it.
type exchange struct {
	request message.Request
	mu      sync.Mutex
	head    *message.Head
	body    strings.Builder
	trailer message.Header
	ended   bool
	aborted bool
	gone    func()
}

func (x *exchange) Request() *message.Request         { return &x.request }
func (x *exchange) Interim(int, message.Header) error { return nil }
func (x *exchange) Head(h message.Head) error         { x.head = &h; return nil }
func (x *exchange) Write(p []byte) (int, error)       { return x.body.Write(p) }
func (x *exchange) Flush() error                      { return nil }
func (x *exchange) End(t message.Header) error        { x.trailer, x.ended = t, true; return nil }
func (x *exchange) Abort()                            { x.aborted = !x.ended }
func (x *exchange) Upgrade() (net.Conn, error)        { return nil, errors.New("none") }
func (x *exchange) OnGone(f func()) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.gone = f
}

// text is the answer in a form to compare.
func (x *exchange) text() string {
	if x.aborted || x.head == nil {
		return "aborted"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d", x.head.Status)
	for _, f := range x.head.Header {
		fmt.Fprintf(&b, " %s=%s", strings.ToLower(f.Name), f.Value)
	}
	return b.String() + " " + x.body.String()
}

func ask(method, target string, fields ...string) *exchange {
	x := &exchange{request: message.Request{Method: method, Target: target, Version: message.HTTP11}}
	x.request.Header = message.Header{{Name: "X-Fc-Request-Id", Value: "id-1"}}
	for i := 0; i < len(fields); i += 2 {
		x.request.Header.Add(fields[i], fields[i+1])
	}
	return x
}

// program is a backend made of a function.
type program func(message.Exchange) error

func (p program) Do(x message.Exchange) error { return p(x) }

// says is a program that always gives the same answer.
func says(status int, body string, fields ...string) program {
	return func(x message.Exchange) error {
		var h message.Header
		for i := 0; i < len(fields); i += 2 {
			h.Add(fields[i], fields[i+1])
		}
		message.Answer(x, status, h, []byte(body))
		return nil
	}
}

// log keeps lines.
type log struct {
	mu    sync.Mutex
	lines []string
	tail  []string
}

func (l *log) add(line string) { l.mu.Lock(); l.lines = append(l.lines, line); l.mu.Unlock() }
func (l *log) Begin(c fc.Call, id string) {
	l.add(c.StartLine(id))
}
func (l *log) End(c fc.Call, id string, failed bool) { l.add(c.EndLine(id, failed)) }
func (l *log) Say(format string, args ...any)        { l.add(fmt.Sprintf(format, args...)) }
func (l *log) Tail() []string                        { return l.tail }
func (l *log) Hide(message.Header)                   {}
func (l *log) Masked(text string) string             { return strings.ReplaceAll(text, "secret", "***") }

func newFront(p program, set ...func(*Options)) (*Front, *log) {
	l := &log{}
	o := Options{Backend: func() message.Backend { return p }, Log: l, ErrorFrom: 400, ErrorLines: 2}
	for _, s := range set {
		s(&o)
	}
	return New(o), l
}

const control = "x-fc-control-path"
