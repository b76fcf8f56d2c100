package lambda

import (
	"errors"
	"net"
	"sync"

	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// exchange is the message.Exchange of an event.
type exchange struct {
	request message.Request
	body    *body // nil where there is none
	answer  answer

	head                  message.Head
	began, ended, aborted bool
	written               int64

	mu   sync.Mutex
	gone func()
	late bool // the time is up
}

// answer is where an exchange's answer goes: it is held, or streamed.
type answer interface {
	// head begins it.
	head(h *message.Head) error
	write(p []byte) error
	flush() error
}

// Errors of calls in the wrong order, and of what Lambda cannot carry.
var (
	errOrder   = errors.New("the answer was begun or ended before")
	errLength  = errors.New("the body is longer or shorter than announced")
	errUpgrade = errors.New("on Lambda a connection cannot change its protocol")
	errStatus  = errors.New("the status cannot be sent")
)

// Request is part of message.Exchange.
func (x *exchange) Request() *message.Request { return &x.request }

// Interim is part of message.Exchange. Lambda has no way for it.
func (x *exchange) Interim(int, message.Header) error { return nil }

// Head is part of message.Exchange.
func (x *exchange) Head(h message.Head) error {
	switch {
	case x.began || x.ended || x.aborted:
		return errOrder
	case h.Status < 200 || h.Status > 599:
		return errStatus
	}
	x.began, x.head = true, h
	return x.answer.head(&x.head)
}

// bodiless says whether the answer has no body, whatever is written (RFC 9110,
// section 6.4.1).
func (x *exchange) bodiless() bool {
	return x.request.Method == "HEAD" || x.head.Status == 204 || x.head.Status == 304
}

// Write is part of message.Exchange.
func (x *exchange) Write(p []byte) (int, error) {
	switch {
	case !x.began || x.ended || x.aborted:
		return 0, errOrder
	case x.bodiless():
		return len(p), nil
	}
	x.written += int64(len(p))
	if x.head.Length >= 0 && x.written > x.head.Length {
		return 0, errLength
	}
	if err := x.answer.write(p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Flush is part of message.Exchange.
func (x *exchange) Flush() error {
	if !x.began || x.ended || x.aborted {
		return errOrder
	}
	return x.answer.flush()
}

// End is part of message.Exchange. Lambda has no way for the trailer.
func (x *exchange) End(message.Header) error {
	switch {
	case !x.began || x.ended || x.aborted:
		return errOrder
	case !x.bodiless() && x.head.Length >= 0 && x.written != x.head.Length:
		return errLength
	}
	x.ended = true
	return nil
}

// Abort is part of message.Exchange.
func (x *exchange) Abort() { x.aborted = !x.ended }

// Upgrade is part of message.Exchange.
func (x *exchange) Upgrade() (net.Conn, error) { return nil, errUpgrade }

// OnGone is part of message.Exchange. The client counts as gone when the
// event's time is up, or the container ends.
func (x *exchange) OnGone(f func()) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.gone = f
	if f != nil && x.late {
		x.gone = nil
		f()
	}
}

// leave calls what waits for the client to go. While it does OnGone waits.
func (x *exchange) leave() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.late = true
	if f := x.gone; f != nil {
		x.gone = nil
		f()
	}
}
