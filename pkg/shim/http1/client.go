package http1

import (
	"bytes"
	"errors"
	"io"
	"net"
	"syscall"

	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

const (
	// MaxAnswerHead is the largest head of an answer in bytes. It is also the
	// limit of its trailer section.
	MaxAnswerHead = 1 << 20
	// maxInterim is how many 1xx answers may come before the final one.
	maxInterim = 100
)

// Errors of reading an answer.
var (
	// ErrCutOff: the connection ended within the head.
	ErrCutOff = errors.New("the connection was closed in the middle of an answer's head")
	// ErrDownstream: Downstream could not be flushed.
	ErrDownstream = errors.New("the answer could not be sent on")
)

// Client is the client's end of a connection: one request after the other goes
// out by its Writer, and each answer comes in by Answer and Read. Writing and
// reading may be done by two goroutines, because answers may begin before
// their requests have ended.
type Client struct {
	Writer
	// Downstream, where it is not nil, is flushed before each read of the
	// connection, because that may have to wait.
	Downstream interface{ Flush() error }

	conn     net.Conn
	reader   Reader
	body     Body
	answer   Response
	received bool // bytes of an answer came since Ask
	interims int

	// What Send needs; raw is nil where the connection has none.
	raw     syscall.RawConn
	turn    func(fd uintptr) bool
	out     []byte
	wrote   int
	turnErr error
}

// NewClient makes a Client on a connection.
func NewClient(conn net.Conn) *Client {
	c := &Client{conn: conn}
	c.Writer.Reset(conn)
	c.reader.Reset((*clientSource)(c))
	if s, ok := conn.(syscall.Conn); ok {
		if raw, err := s.SyscallConn(); err == nil {
			c.raw, c.turn = raw, c.step
		}
	}
	return c
}

// clientSource is what the Reader of a Client reads.
type clientSource Client

func (c *clientSource) Read(p []byte) (int, error) {
	if c.Downstream != nil && c.Downstream.Flush() != nil {
		return 0, ErrDownstream
	}
	n, err := c.conn.Read(p)
	if n > 0 {
		c.received = true
	}
	return n, err
}

// Conn is the connection.
func (c *Client) Conn() net.Conn { return c.conn }

// Ask begins another request; its head is then written by Line, Field and
// Begin.
func (c *Client) Ask() {
	c.Writer.Reset(c.conn)
	c.received, c.interims = false, 0
}

// Received says whether any byte of an answer came since Ask.
func (c *Client) Received() bool { return c.received }

// Answer waits for the head of the next answer to a request with that method,
// which may be a 1xx. It is valid until the next Answer. Errors: *Error where
// it is not HTTP or ambiguous; io.EOF where the connection ended before it,
// ErrCutOff within it; what the connection says.
func (c *Client) Answer(method string) (*Response, error) {
	head, err := c.reader.Head(MaxAnswerHead)
	switch {
	case err == errIncomplete:
		return nil, ErrCutOff
	case err != nil:
		return nil, err
	}
	r := &c.answer
	if err := parseResponse(head, method, r); err != nil {
		return nil, err
	}
	if r.Status < 200 {
		if c.interims++; c.interims > maxInterim {
			return nil, bad("there are too many interim answers")
		}
		return r, nil
	}
	c.body.Reset(&c.reader, r.Framing, MaxAnswerHead)
	return r, nil
}

// Read reads the body of the final answer.
func (c *Client) Read(p []byte) (int, error) { return c.body.Read(p) }

// Trailer is the fields after the body, once Read has returned io.EOF.
func (c *Client) Trailer() message.Header { return c.body.Trailer() }

// Reusable says whether the connection is at the place of another request: the
// answer was read to its end, nothing came after it, and the server will wait
// for more. That the request was sent to its end is for the caller to know.
func (c *Client) Reusable() bool {
	return c.answer.Framing.KeepAlive && c.body.Done() && c.reader.Buffered() == 0
}

// Rest gives the connection up to another protocol: bytes that were read of it
// already come first.
func (c *Client) Rest() io.Reader {
	early := append([]byte(nil), c.reader.Peek()...)
	c.reader.Release()
	if len(early) == 0 {
		return c.conn
	}
	return io.MultiReader(bytes.NewReader(early), c.conn)
}

// Idle gives buffers back until the next request.
func (c *Client) Idle() {
	c.Downstream = nil
	c.Writer.Release()
	c.reader.Release()
	if cap(c.answer.Header) > 64 {
		c.answer = Response{}
	}
}

// Close closes the connection.
func (c *Client) Close() error {
	return c.conn.Close()
}

// IsToken says whether s can be a method or a field's name (RFC 9110, section
// 5.6.2).
func IsToken(s string) bool { return s != "" && only(s, token) }
