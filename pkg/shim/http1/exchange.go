package http1

import (
	"errors"
	"net"
	"strings"
	"time"

	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// exchange is the message.Exchange of a connection; each request uses it
// again.
type exchange struct {
	c    *conn
	req  message.Request
	body *requestBody // nil where there is none
	// keep says that the connection goes on after this exchange; ours that it
	// was not the client who wanted it to end.
	keep, ours bool

	began, ended, aborted, upgraded bool
	watching                        bool // OnGone has something to call
	untilClose                      bool // the answer's body ends with the connection
}

// keptFields is the largest number of fields that a connection keeps the memory
// of for its next request.
const keptFields = 128

// Errors of calls in the wrong order or with what cannot be sent.
var (
	errBegan    = errors.New("the answer was begun already")
	errNotBegan = errors.New("the answer was not begun")
	errEnded    = errors.New("the exchange has ended")
	errStatus   = errors.New("the status cannot be sent")
	errUpgrade  = errors.New("the connection cannot change its protocol")
)

// begin is for the request that was just parsed.
func (x *exchange) begin(f Framing) {
	x.keep, x.ours = f.KeepAlive, false
	x.began, x.ended, x.aborted, x.watching, x.untilClose = false, false, false, false, false
	x.req.Trailer = x.req.Trailer[:0]
	x.req.Body, x.body = nil, nil
	if f.Kind != None {
		x.body = newRequestBody(x, f)
		x.req.Body = x.body
	}
}

// Request is part of message.Exchange.
func (x *exchange) Request() *message.Request { return &x.req }

// Interim is part of message.Exchange.
func (x *exchange) Interim(status int, h message.Header) error {
	switch {
	case x.began:
		return errBegan
	case status < 100 || status > 199 || status == 101:
		return errStatus
	case x.req.Version < message.HTTP11:
		return nil
	}
	if status == 100 {
		if x.body == nil || !x.body.proceed(false) {
			return nil // nobody waits for it
		}
	}
	x.c.out.statusLine(status, "")
	x.fields(h, status)
	if err := x.c.out.Begin(Framing{}); err != nil {
		return err
	}
	return x.c.out.Flush()
}

// Head is part of message.Exchange.
func (x *exchange) Head(h message.Head) error {
	switch {
	case x.ended || x.aborted || x.upgraded:
		return errEnded
	case x.began:
		return errBegan
	case h.Status == 101 && (x.req.Upgrade == "" || x.req.Version < message.HTTP11):
		return errUpgrade
	case h.Status != 101 && (h.Status < 200 || h.Status > 999):
		return errStatus
	}
	if x.body != nil && x.body.proceed(false) {
		// The client was not told to go on: whether it sends the body now
		// cannot be known (RFC 9110, section 10.1.1).
		x.keep, x.ours = false, true
	}
	if x.keep && x.c.srv.draining.Load() {
		x.keep, x.ours = false, true
	}
	f := x.framing(&h)
	err := x.head(&h, f)
	if err == ErrLineBreak {
		clean(&h)
		err = x.head(&h, f)
	}
	x.began = err == nil
	return err
}

// framing is that of the answer's body (RFC 9112, section 6.3).
func (x *exchange) framing(h *message.Head) Framing {
	switch {
	case h.Status == 101 || h.Status == 204 || h.Status == 304 || x.req.Method == "HEAD":
		return Framing{Kind: None}
	case h.Length >= 0:
		return Framing{Kind: Length, Length: h.Length}
	case x.req.Version >= message.HTTP11:
		return Framing{Kind: Chunked}
	}
	x.keep, x.untilClose = false, true
	return Framing{Kind: UntilClose}
}

func (x *exchange) head(h *message.Head, f Framing) error {
	w := &x.c.out
	w.statusLine(h.Status, h.Reason)
	x.fields(h.Header, h.Status)
	switch {
	case f.Kind != None:
		w.Framing(f)
	// What the answer to a GET would have. For 304 a length of 0 is rather
	// one that nobody knew.
	case h.Status == 304 && h.Length > 0, h.Status != 101 && h.Status != 204 && h.Status != 304 && h.Length >= 0:
		w.Number("Content-Length", h.Length)
	}
	switch {
	case h.Status == 101:
		if !h.Header.Has("Upgrade") {
			w.Field("Upgrade", x.req.Upgrade)
		}
		w.Field("Connection", "Upgrade")
	case !x.keep:
		w.Field("Connection", "close")
	case x.req.Version < message.HTTP11:
		w.Field("Connection", "keep-alive")
	}
	return w.Begin(f)
}

// fields adds what a handler gave, without what is the server's own.
func (x *exchange) fields(h message.Header, status int) {
	for i := range h {
		f := &h[i]
		switch len(f.Name) {
		case 7:
			if status != 101 && status != 426 && message.Same(f.Name, "upgrade") {
				continue
			}
		case 10:
			if message.Same(f.Name, "connection") || message.Same(f.Name, "keep-alive") {
				continue
			}
		case 14:
			if message.Same(f.Name, "content-length") {
				continue
			}
		case 17:
			if message.Same(f.Name, "transfer-encoding") {
				continue
			}
		}
		x.c.out.Field(f.Name, f.Value)
	}
}

// clean makes spaces of what would end a field's line.
func clean(h *message.Head) {
	one := func(r rune) rune {
		if r == '\r' || r == '\n' || r == 0 {
			return ' '
		}
		return r
	}
	h.Reason = strings.Map(one, h.Reason)
	h.Header = h.Header.Clone()
	for i := range h.Header {
		f := &h.Header[i]
		f.Name, f.Value = strings.Map(one, f.Name), strings.Map(one, f.Value)
	}
}

// Write is part of message.Exchange.
func (x *exchange) Write(p []byte) (int, error) {
	if err := x.open(); err != nil {
		return 0, err
	}
	return x.c.out.Write(p)
}

func (x *exchange) open() error {
	switch {
	case x.ended || x.aborted || x.upgraded:
		return errEnded
	case !x.began:
		return errNotBegan
	}
	return nil
}

// Flush is part of message.Exchange.
func (x *exchange) Flush() error {
	if err := x.open(); err != nil {
		return err
	}
	return x.c.out.Flush()
}

// End is part of message.Exchange.
func (x *exchange) End(trailer message.Header) error {
	if err := x.open(); err != nil {
		return err
	}
	if err := x.c.out.End(trailer); err != nil {
		return err
	}
	x.ended = true
	return nil
}

// Abort is part of message.Exchange. An answer that would look whole is broken
// off by a reset.
func (x *exchange) Abort() {
	if x.ended || x.aborted || x.upgraded {
		return
	}
	x.aborted = true
	if x.began && !x.untilClose && x.c.out.kind != None && !(x.c.out.kind == Length && x.c.out.left == 0) {
		_ = x.c.nc.SetWriteDeadline(time.Now().Add(time.Second))
		_ = x.c.out.Flush()
	} else if tc, ok := x.c.nc.(*net.TCPConn); ok && x.began {
		_ = tc.SetLinger(0)
	}
	_ = x.c.nc.Close()
}

// finish ends what the handler left open. It says whether the connection goes
// on.
func (x *exchange) finish() bool {
	if x.watching {
		x.OnGone(nil)
	}
	if x.body != nil {
		x.body.stop()
	}
	if cap(x.req.Header) > keptFields {
		x.req.Header = nil
	}
	switch {
	case x.upgraded:
		return false
	case !x.ended:
		x.Abort()
		return false
	case x.body != nil && !x.body.drain(x.keep):
		x.c.linger(lingerTime)
		return false
	case x.keep:
		return true
	case x.ours || x.c.in.Buffered() > 0:
		x.c.linger(lingerShort)
	}
	return false
}

// Upgrade is part of message.Exchange. What was left of the request's body is
// dropped, if it is not long.
func (x *exchange) Upgrade() (net.Conn, error) {
	if err := x.open(); err != nil {
		return nil, err
	}
	if x.body != nil {
		if x.body.stop(); !x.body.drain(true) {
			return nil, errUpgrade
		}
	}
	if err := x.c.out.Flush(); err != nil {
		return nil, err
	}
	if x.watching {
		x.OnGone(nil)
	}
	x.upgraded = true
	return newUpgraded(x.c), nil
}
