package http1

import (
	"net"
	"sync"
)

// upgraded is a connection that HTTP has ended on.
type upgraded struct {
	net.Conn
	c    *conn
	rest []byte // what was read already
	once sync.Once
}

func newUpgraded(c *conn) net.Conn {
	u := &upgraded{Conn: c.nc, c: c}
	if c.in.Buffered() > 0 {
		u.rest = append(u.rest, c.in.Peek()...)
	}
	c.in.Release()
	return u
}

// Read gives what came together with the request first.
func (u *upgraded) Read(p []byte) (int, error) {
	if len(u.rest) > 0 {
		n := copy(p, u.rest)
		u.rest = u.rest[n:]
		return n, nil
	}
	return u.Conn.Read(p)
}

// CloseWrite ends the server's side.
func (u *upgraded) CloseWrite() error {
	if half, ok := u.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return u.Close()
}

// Close ends the connection, which Shutdown waits for.
func (u *upgraded) Close() error {
	err := u.Conn.Close()
	u.once.Do(func() { u.c.srv.forget(u.c) })
	return err
}
