package http1

import (
	"errors"
	"strings"
	"time"

	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// How long what a client still sends is read and dropped after the last answer
// (RFC 9112, section 9.6): a connection that is closed with something unread is
// reset, and the client loses the answer. lingerTime is for clients that are in
// the middle of sending, lingerShort for those that may just have sent another
// request.
const (
	lingerTime  = 5 * time.Second
	lingerShort = 500 * time.Millisecond
)

// refuse answers a request that could not be read, where there is a client to
// answer to.
func (c *conn) refuse(err error) {
	var e *Error
	if !errors.As(err, &e) {
		return
	}
	if c.srv.Refused != nil {
		c.srv.Refused(c.x.req.Remote, err)
	}
	f := message.Failure{Type: strings.ReplaceAll(Reason(e.Status), " ", ""), Message: e.Text}
	body := f.JSON()
	c.out.statusLine(e.Status, "")
	c.out.Field("Content-Type", "application/json")
	c.out.Number("Content-Length", int64(len(body)))
	c.out.Field("Connection", "close")
	_ = c.out.Begin(Framing{Kind: Length, Length: int64(len(body))})
	_, _ = c.out.Write(body)
	if c.out.End(nil) == nil {
		c.linger(lingerTime)
	}
}

// linger ends the connection without a reset: no more is sent, and what still
// comes is dropped until the client closes as well.
func (c *conn) linger(limit time.Duration) {
	half, ok := c.nc.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	_ = c.nc.SetReadDeadline(time.Now().Add(limit))
	for {
		c.in.Discard(c.in.Buffered())
		if c.in.Fill() != nil {
			return
		}
	}
}
