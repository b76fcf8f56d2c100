package http1

import (
	"io"
	"syscall"
)

// errUnasked: a server spoke before it was asked, or after an answer's end.
var errUnasked = bad("there are bytes that belong to no request")

// Send ends the request, sends what is buffered of it, and waits for the first
// bytes of the answer. Before anything is written it makes sure that the
// connection is at rest: where the server has closed it, or said something
// unasked, Send fails and Sent is 0.
//
// It does so in one turn of the runtime's poller: the read that finds nothing
// is the look at the connection, and no second one is tried in vain before it
// waits.
func (c *Client) Send() error {
	if c.raw == nil {
		return c.End(nil)
	}
	c.Writer.dst = (*clientSink)(c)
	err := c.End(nil)
	c.Writer.dst = c.conn
	return err
}

// Quiet says whether the connection is at rest, as Send looks for itself: open,
// and without bytes that were not asked for, as the 408 is that some servers
// send to idle connections.
func (c *Client) Quiet() bool {
	if c.raw == nil {
		return true
	}
	quiet := false
	err := c.raw.Control(func(fd uintptr) {
		var b [1]byte
		_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		quiet = err == syscall.EAGAIN
	})
	return err == nil && quiet
}

// clientSink is what the Writer of a Client writes to in Send.
type clientSink Client

func (s *clientSink) Write(p []byte) (int, error) {
	c := (*Client)(s)
	if c.Writer.sent > 0 || !c.reader.makeRoom() {
		return c.conn.Write(p)
	}
	c.out, c.wrote, c.turnErr = p, 0, nil
	err := c.raw.Read(c.turn)
	c.out = nil
	if c.turnErr != nil {
		err = c.turnErr
	}
	if err != nil || c.wrote == len(p) {
		if c.wrote == len(p) && err == io.EOF {
			err = nil // the next read says it again
		}
		return c.wrote, err
	}
	n, err := c.conn.Write(p[c.wrote:])
	return c.wrote + n, err
}

// step is called when the connection may be readable, first of all at once. It
// is true where there is nothing more to wait for.
func (c *Client) step(fd uintptr) bool {
	r := &c.reader
	n, err := ignoringEINTR(syscall.Read, int(fd), r.buf[r.w:])
	switch {
	case err == syscall.EAGAIN && c.wrote > 0:
		return false
	case err == syscall.EAGAIN:
		c.wrote, c.turnErr = ignoringEINTR(syscall.Write, int(fd), c.out)
		if c.wrote < 0 {
			c.wrote = 0
		}
		if c.turnErr == syscall.EAGAIN {
			c.turnErr = nil // the rest is written by who can wait
		}
		return c.turnErr != nil || c.wrote < len(c.out)
	case err != nil:
		c.turnErr = err
	case n == 0:
		c.turnErr = io.EOF
	case c.wrote == 0:
		c.turnErr = errUnasked
	default:
		r.w += n
		c.received = true
	}
	return true
}

func ignoringEINTR(f func(int, []byte) (int, error), fd int, p []byte) (int, error) {
	for {
		if n, err := f(fd, p); err != syscall.EINTR {
			return n, err
		}
	}
}

// makeRoom sees that an empty reader has a buffer. It is false where the
// reader is not empty.
func (r *Reader) makeRoom() bool {
	if r.r < r.w {
		return false
	}
	if len(r.buf) != readSize {
		r.buf = readPool.Get().(*[readSize]byte)[:]
	}
	r.r, r.w, r.scan = 0, 0, 0
	return true
}
