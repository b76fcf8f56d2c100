package http2

import (
	"errors"
	"net"
	"strconv"

	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// exchange is a message.Exchange on a stream of a server.
type exchange struct {
	s       stream
	request message.Request

	began, ended bool
	bodiless     bool
	left         int64  // of Head.Length, -1 where that is not known
	head         []byte // encoded and not sent
	headRoom     [192]byte
	data         *chunk // part of the body that is not sent
}

var _ message.Exchange = (*exchange)(nil)

var (
	errOrder    = errors.New("http2: an answer has Head once, then Write, then End")
	errLongBody = errors.New("http2: the body is longer than its length")
	errShort    = errors.New("http2: the body is shorter than its length")
	errStatus   = errors.New("http2: no such status in HTTP/2")
	errUpgrade  = errors.New("http2: streams have no Upgrade (RFC 9113, section 8.6)")
)

func (x *exchange) Request() *message.Request { return &x.request }

func (x *exchange) Interim(status int, h message.Header) error {
	if x.began || status < 100 || status > 199 {
		return errOrder
	}
	if status == 101 {
		return errStatus
	}
	if status == 100 {
		x.s.c.mu.Lock()
		x.s.expect = false
		x.s.c.mu.Unlock()
	}
	return x.s.send(part{interim: appendFields(appendStatus(nil, status), h)})
}

func (x *exchange) Head(head message.Head) error {
	if x.began {
		return errOrder
	}
	if head.Status < 200 || head.Status > 999 {
		return errStatus
	}
	x.began = true
	x.left = head.Length
	x.bodiless = x.request.Method == "HEAD" || head.Status == 204 || head.Status == 304
	x.head = appendFields(appendStatus(x.headRoom[:0], head.Status), head.Header)
	if head.Length >= 0 && head.Status != 204 {
		x.head = appendField(x.head, "content-length", strconv.FormatInt(head.Length, 10))
	}
	return nil
}

// appendFields appends all fields but those of HTTP/1.1 connections.
func appendFields(b []byte, h message.Header) []byte {
	for i := range h {
		if name := h[i].Name; !message.OfConnection(name) {
			b = appendField(b, name, h[i].Value)
		}
	}
	return b
}

func (x *exchange) Write(p []byte) (int, error) {
	if !x.began || x.ended {
		return 0, errOrder
	}
	if x.bodiless {
		return len(p), nil
	}
	if x.left >= 0 {
		if int64(len(p)) > x.left {
			x.left = -2 // so that End fails
			return 0, errLongBody
		}
		x.left -= int64(len(p))
	}
	if x.data == nil && len(p) < maxFrame {
		x.data = newChunk()
	}
	if x.data != nil {
		if n := copy(x.data.b[x.data.w:], p); n == len(p) {
			x.data.w += n
			return n, nil
		}
		if err := x.Flush(); err != nil {
			return 0, err
		}
	}
	if err := x.s.send(part{head: x.takeHead(), data: p}); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (x *exchange) takeHead() []byte {
	head := x.head
	x.head = nil
	return head
}

// unsent is what Write keeps.
func (x *exchange) unsent() []byte {
	if x.data == nil {
		return nil
	}
	return x.data.b[:x.data.w]
}

// release gives the buffer of Write back.
func (x *exchange) release() {
	if x.data != nil {
		chunks.Put(x.data)
		x.data = nil
	}
}

func (x *exchange) Flush() error {
	if !x.began || x.ended {
		return errOrder
	}
	data := x.unsent()
	if len(data) == 0 && x.head == nil {
		return x.s.broken()
	}
	err := x.s.send(part{head: x.takeHead(), data: data})
	x.release()
	return err
}

func (x *exchange) End(trailer message.Header) error {
	if !x.began || x.ended {
		return errOrder
	}
	if x.left > 0 && !x.bodiless {
		x.Abort()
		return errShort
	}
	if x.left < -1 {
		x.Abort()
		return errLongBody
	}
	x.ended = true
	p := part{head: x.takeHead(), data: x.unsent(), end: true}
	if len(trailer) > 0 && !x.bodiless {
		p.trailer = appendFields(nil, trailer)
	}
	err := x.s.send(p)
	x.release()
	x.finish(codeNo)
	return err
}

func (x *exchange) Abort() {
	x.ended = true
	x.release()
	x.finish(codeInternal)
}

// finish ends the stream where it is not ended, and forgets the rest of the
// request. After a whole answer the code tells the client to stop sending
// (RFC 9113, section 8.1).
func (x *exchange) finish(code Code) {
	c := x.s.c
	c.mu.Lock()
	defer c.mu.Unlock()
	x.s.gone = nil
	x.s.reset(code, message.ErrAborted)
	x.s.drop()
	x.s.c.side.(*server).done(&x.s)
}

func (x *exchange) Upgrade() (net.Conn, error) { return nil, errUpgrade }

func (x *exchange) OnGone(f func()) { x.s.onGone(f) }
