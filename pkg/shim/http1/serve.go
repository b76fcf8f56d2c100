package http1

import (
	"bytes"
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// conn is a connection of a Server.
type conn struct {
	srv *Server
	nc  net.Conn
	in  Reader
	out Writer
	x   exchange

	mu   sync.Mutex
	idle bool // no byte of a request has come
	// timed says that an idle connection got a time limit.
	timed bool
	watch watch
}

func newConn(s *Server, nc net.Conn) *conn {
	c := &conn{srv: s, nc: nc, idle: true}
	c.in.Reset(nc)
	c.out.Reset(nc)
	c.x.c = c
	c.x.req.Remote = nc.RemoteAddr()
	return c
}

// serve answers the connection's requests, one after the other.
func (c *conn) serve() {
	if c.srv.Panicked != nil {
		defer func() {
			if v := recover(); v != nil {
				c.x.finish() // what the handler began may still read the body
				c.end()
				c.srv.Panicked(v)
			}
		}()
	}
	if c.srv.draining.Load() {
		c.rest()
	}
	for c.next() {
	}
	if !c.x.upgraded {
		c.end()
	}
}

// end closes the connection.
func (c *conn) end() {
	_ = c.nc.Close()
	c.in.Release()
	c.out.Release()
	c.srv.forget(c)
}

// next answers one request. It is false where there is no further one.
func (c *conn) next() bool {
	if !c.await() {
		return false
	}
	c.begin()
	head, err := c.readHead()
	if err == nil && head == prefaceHead {
		return c.http2()
	}
	var f Framing
	if err == nil {
		f, err = parseRequest(head, &c.x.req)
	}
	if err != nil {
		c.refuse(err)
		return false
	}
	c.x.begin(f)
	c.srv.Handler.Serve(&c.x)
	return c.x.finish() && c.rest()
}

// await waits for a request's first byte and takes an empty line before it
// away (RFC 9112, section 2.2).
func (c *conn) await() bool {
	for skipped := false; ; {
		at := c.in.Peek()
		switch {
		case len(at) > 1 && !skipped && at[0] == '\r' && at[1] == '\n':
			c.in.Discard(2)
			skipped = true
			continue
		case len(at) > 1, len(at) == 1 && (at[0] != '\r' || skipped):
			return true
		}
		if c.in.Fill() != nil {
			return false
		}
	}
}

// begin leaves the idle state.
func (c *conn) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.idle = false
	if c.timed {
		c.timed = false
		_ = c.nc.SetReadDeadline(time.Time{})
	}
}

// rest goes to the idle state.
func (c *conn) rest() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.idle = true
	if c.srv.draining.Load() {
		c.expire()
	}
	return true
}

// expire gives an idle connection the settle time. c.mu is held.
func (c *conn) expire() {
	c.timed = true
	_ = c.nc.SetReadDeadline(time.Now().Add(c.srv.settleTime()))
}

// readHead reads a head within the time that there is for it. Mostly it is
// there with its first byte, and no limit has to be set.
func (c *conn) readHead() (string, error) {
	limit := c.srv.headerLimit()
	head, ok, err := c.in.head(limit)
	if ok || err != nil {
		return head, err
	}
	if class[c.in.Peek()[0]]&token == 0 { // such as TLS
		return "", bad("this is not HTTP")
	}
	_ = c.nc.SetReadDeadline(time.Now().Add(c.srv.headTimeout()))
	head, err = c.in.Head(limit)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = &Error{408, "the request's head was not complete in time"}
	}
	_ = c.nc.SetReadDeadline(time.Time{})
	return head, err
}

const (
	prefaceHead = "PRI * HTTP/2.0\r\n\r\n"
	preface     = prefaceHead + "SM\r\n\r\n"
)

// http2 hands the connection over.
func (c *conn) http2() bool {
	if c.srv.H2 == nil {
		c.refuse(&Error{505, "HTTP/2 is not spoken here"})
		return false
	}
	_ = c.nc.SetReadDeadline(time.Now().Add(c.srv.headTimeout()))
	for len(prefaceHead)+c.in.Buffered() < len(preface) {
		if c.in.Fill() != nil {
			return false
		}
	}
	_ = c.nc.SetReadDeadline(time.Time{})
	start := append([]byte(prefaceHead), c.in.Peek()...)
	if !bytes.HasPrefix(start, []byte(preface)) {
		return false
	}
	c.in.Release()
	c.srv.H2(c.nc, start)
	return false
}
