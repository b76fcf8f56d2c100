package http1

import (
	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// Kind is how the end of a body is found.
type Kind uint8

// The kinds.
const (
	None       Kind = iota // there is no body
	Length                 // by its length
	Chunked                // by its last chunk
	UntilClose             // by the end of the connection; answers only
)

// Framing is how a message ends (RFC 9112, section 6.3), and what becomes of
// its connection afterwards.
type Framing struct {
	Kind Kind
	// Length is that of the body in bytes. With None it is what the
	// Content-Length of an answer to HEAD or a 304 said, -1 for nothing.
	Length int64
	// KeepAlive says that the sender will read or send another message
	// (section 9.3).
	KeepAlive bool
}

// maxLength is the largest length of a body or chunk; no sum of a few of them
// overflows.
const maxLength = 1<<60 - 1

// parseLength reads a Content-Length (RFC 9110, section 8.6).
func parseLength(s string) (int64, error) {
	if s == "" {
		return 0, bad("the Content-Length is empty")
	}
	var n int64
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return 0, bad("the Content-Length is not a number")
		}
		if n = n*10 + int64(s[i]-'0'); n > maxLength {
			return 0, bad("the Content-Length is too large")
		}
	}
	return n, nil
}

// framing applies what is the same for requests and answers. It leaves
// Kind None and Length -1 where the fields say nothing.
func (c *control) framing(v message.Version) (Framing, error) {
	f := Framing{Length: c.length, KeepAlive: !c.close && (v >= message.HTTP11 || c.keepAlive)}
	switch {
	case c.codings > 0 && c.lengths > 0:
		return f, bad("there are both a Content-Length and a Transfer-Encoding")
	case c.codings > 0 && v < message.HTTP11:
		return f, bad("there is a Transfer-Encoding in HTTP/1.0")
	case c.codings > 1:
		return f, bad("there is more than one Transfer-Encoding")
	case c.codings > 0:
		f.Kind, f.Length = Chunked, -1
		return f, checkCoding(c.coding)
	case c.lengths > 0:
		f.Kind = Length
	}
	return f, nil
}

// checkCoding accepts "chunked" alone. RFC 9112, section 6.1: other codings
// are 501; section 6.3, item 4: a message whose last one is not chunked has no
// end, 400.
func checkCoding(s string) error {
	if message.Same(s, "chunked") {
		return nil
	}
	last, chunked := "", 0
	for t := range (message.Header{{Name: "", Value: s}}).Tokens("") {
		last = t
		if message.Same(t, "chunked") {
			chunked++
		}
	}
	if chunked != 1 || !message.Same(last, "chunked") || last == s {
		return bad("the Transfer-Encoding does not end in one chunked")
	}
	return &Error{501, "the Transfer-Encoding has another coding than chunked"}
}
