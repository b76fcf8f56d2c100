// Package message is what the parts of the shim say to each other about one
// HTTP exchange: header fields, a request, and the way to answer it. It knows
// no wire format and does no input or output; packages http1 and http2 do.
package message

import (
	"errors"
	"io"
	"net"
	"strings"
)

// Version is a protocol version, major*10+minor.
type Version int

// The versions that the shim speaks.
const (
	HTTP10 Version = 10
	HTTP11 Version = 11
	HTTP2  Version = 20
)

// Request is what a client asked. It is valid until its exchange has ended.
type Request struct {
	Method string
	// Target is the request target as it came (RFC 9112, section 3.2): mostly
	// origin-form, /path?query; for HTTP/2 the :path.
	Target  string
	Version Version
	// Header has all fields as they came, hop-by-hop ones included, in order.
	// For HTTP/2 the :authority stands in it as Host.
	Header Header
	// Length of the body in bytes: 0 none, -1 not known beforehand.
	Length int64
	// Body is nil where there is none (Length 0).
	Body Body
	// Trailer holds the fields after the body, once Body has returned io.EOF.
	Trailer Header
	// Expect says that the client waits for "100 Continue" before it sends the
	// body. The first Read of Body sends it.
	Expect bool
	// Upgrade is the protocol that the client wants to change to, "" for none.
	Upgrade string
	// Remote is the client's address.
	Remote net.Addr
}

// Path is the target without its query, also where the target is a whole URL.
func (r *Request) Path() string {
	path, _, _ := strings.Cut(r.Target, "?")
	if strings.HasPrefix(path, "/") {
		return path
	}
	if _, rest, ok := strings.Cut(path, "://"); ok {
		if i := strings.IndexByte(rest, '/'); i >= 0 {
			return rest[i:]
		}
		return "/"
	}
	return path
}

// Body is a request's body without its framing. When the handler has returned,
// Read fails, also one that another goroutine is waiting in then.
type Body interface {
	// Read returns an error other than io.EOF where the client broke off or
	// the framing is wrong: what was read is then not the whole body.
	io.Reader
	// Buffered is the number of bytes that Read has at hand.
	Buffered() int
}

// Head is the beginning of an answer.
type Head struct {
	// Status is 200 to 599, or 101 after a request with Upgrade.
	Status int
	// Reason is the phrase after the status, "" for the usual one.
	Reason string
	// Header has no hop-by-hop and no framing fields; the server adds its own.
	Header Header
	// Length of the body in bytes, -1 where it is not known beforehand. It
	// is also set in an answer to HEAD and with 304, where no body follows.
	Length int64
}

// Exchange is one request and the way to answer it. Its methods are for one
// goroutine, but Request().Body may be read by another one meanwhile.
type Exchange interface {
	Request() *Request
	// Interim sends a 1xx answer, not 101. HTTP/1.0 clients do not get it.
	Interim(status int, h Header) error
	// Head begins the answer. It is buffered until Flush or End.
	Head(h Head) error
	// Write is part of the body. Where none may follow (HEAD, 204, 304) it
	// is left out without an error. Errors mean that the client is gone.
	io.Writer
	// Flush sends what is buffered.
	Flush() error
	// End completes the answer. It fails where less or more than Head.Length
	// was written.
	End(trailer Header) error
	// Abort breaks the answer off in a way that the client can see.
	Abort()
	// Upgrade ends HTTP on this connection after a Head with status 101 and
	// returns the connection; what was already read of it comes first.
	Upgrade() (net.Conn, error)
	// OnGone has f called once when the client goes away before End, from
	// another goroutine and within a second. nil takes f back. f must not
	// block.
	OnGone(f func())
}

// Handler answers exchanges. When Serve returns without End, Abort or Upgrade,
// the server aborts the exchange. Serve is called by many goroutines at once.
type Handler interface {
	Serve(x Exchange)
}

// HandlerFunc is a Handler.
type HandlerFunc func(Exchange)

// Serve calls f.
func (f HandlerFunc) Serve(x Exchange) { f(x) }

// Answer gives a whole answer at once.
func Answer(x Exchange, status int, h Header, body []byte) {
	if x.Head(Head{Status: status, Header: h, Length: int64(len(body))}) != nil {
		return
	}
	if _, err := x.Write(body); err != nil {
		return
	}
	_ = x.End(nil)
}

// ErrAborted says that an answer was broken off, mostly because the client
// had gone.
var ErrAborted = errors.New("the answer was broken off")
