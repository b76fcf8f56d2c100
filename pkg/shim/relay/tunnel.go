package relay

import (
	"io"
	"net"

	"github.com/imgbuild/imgbuild/pkg/shim/http1"
	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// upgrade changes to the protocol of a 101 and stays until both sides have
// ended it (RFC 9110, section 7.8).
func (e *exchange) upgrade(c *conn, r *http1.Response) error {
	if upgradeOf(e.request) == "" || r.Upgrade == "" {
		e.discard(c)
		return e.failure(&http1.Error{Status: 502, Text: "it changes to a protocol that was not asked for"})
	}
	if e.sender != nil && !e.sender.settle() {
		e.discard(c)
		return e.failure(io.ErrUnexpectedEOF)
	}
	e.begun = true
	client, err := e.change(r)
	if err != nil {
		e.discard(c)
		return message.ErrAborted
	}
	defer e.relay.pool.leave(c)
	defer c.Close()
	defer client.Close()
	e.letGo()
	back := make(chan error, 1)
	program := c.Conn()
	go func() { back <- oneWay(client, c.Rest(), program) }()
	there := oneWay(program, client, client)
	if there != nil {
		c.Close() // half of it is broken
	}
	<-back
	return nil
}

// change tells the client and takes its connection over.
func (e *exchange) change(r *http1.Response) (net.Conn, error) {
	if err := e.x.Head(message.Head{Status: 101, Reason: r.Reason, Header: strip(r.Header, true)}); err != nil {
		return nil, err
	}
	return e.x.Upgrade()
}

// oneWay copies until from ends, which to is told, or one of them breaks,
// which ends both ways.
func oneWay(to net.Conn, from io.Reader, source net.Conn) error {
	buf := make([]byte, tunnelBuffer)
	_, err := io.CopyBuffer(struct{ io.Writer }{to}, struct{ io.Reader }{from}, buf)
	if err == nil {
		if half, ok := to.(interface{ CloseWrite() error }); ok {
			err = half.CloseWrite()
		} else {
			err = to.Close()
		}
	}
	if err != nil {
		to.Close()
		source.Close()
	}
	return err
}

// tunnelBuffer is the size in bytes of the buffer that each way of an upgraded
// connection has for as long as it lives.
const tunnelBuffer = 8 << 10
