package relay

import (
	"net"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/imgbuild/imgbuild/pkg/shim/http1"
	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// conn is a connection to the program.
type conn struct {
	*http1.Client
	raw        syscall.RawConn // nil where the connection has none
	generation int
	used       bool // it has carried an answer
	idleSince  time.Time
	// announced is how long the program said that it keeps the connection
	// when it is idle, 0 where it did not say.
	announced time.Duration

	look  func(uintptr)
	alive bool // what look found
}

func newConn(c net.Conn) *conn {
	n := &conn{Client: http1.NewClient(c)}
	if s, ok := c.(syscall.Conn); ok {
		n.raw, _ = s.SyscallConn()
	}
	n.look = func(fd uintptr) {
		var b [1]byte
		_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		n.alive = err == syscall.EAGAIN
	}
	return n
}

// quiet looks whether the connection is open and nothing has come that was not
// asked for, as the 408 is that servers send to idle connections.
func (c *conn) quiet() bool {
	c.alive = false
	return c.raw == nil || c.raw.Control(c.look) == nil && c.alive
}

// keepAlive reads how long the program keeps idle connections, from the field
// that Node.js and others send (RFC 2068, section 19.7.1.1).
func keepAlive(h message.Header) time.Duration {
	for t := range h.Tokens("Keep-Alive") {
		name, value, _ := strings.Cut(t, "=")
		if message.Same(strings.TrimSpace(name), "timeout") {
			if n, err := strconv.Atoi(strings.TrimSpace(value)); err == nil && n > 0 {
				return time.Duration(min(n, 1<<20)) * time.Second
			}
		}
	}
	return 0
}
