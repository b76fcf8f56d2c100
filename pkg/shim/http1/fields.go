package http1

import (
	"slices"
	"strings"

	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// maxFields is the number of fields in a head. Fields take more memory than
// their bytes, so the limit of bytes alone would not do.
const maxFields = 4096

// parseFields reads field lines up to and with the empty line, where s must
// end (RFC 9112, section 5), and appends them to h. Names and values are parts
// of s.
func parseFields(s string, h message.Header, lenient bool) (message.Header, error) {
	for {
		line, rest, err := cutLine(s, lenient)
		if err != nil {
			return h, err
		}
		s = rest
		if line == "" {
			if s != "" {
				return h, bad("there is more after the end of the head")
			}
			return h, nil
		}
		n := 0
		for n < len(line) && class[line[n]]&token != 0 {
			n++
		}
		colon := n
		if lenient && n > 0 {
			for colon < len(line) && (line[colon] == ' ' || line[colon] == '\t') {
				colon++
			}
		}
		if colon > n && ofFraming(line[:n]) { // not every client takes it out
			return h, badName(line, n)
		}
		if n == 0 || colon == len(line) || line[colon] != ':' {
			return h, badName(line, n)
		}
		value := trim(line[colon+1:])
		if !only(value, text) {
			return h, bad("a header field's value has a control character")
		}
		if len(h) == maxFields {
			return h, &Error{431, "there are too many header fields"}
		}
		h = append(h, message.Field{Name: line[:n], Value: value})
	}
}

// cutLine cuts the first line off, without its end.
func cutLine(s string, lenient bool) (line, rest string, err error) {
	n := strings.IndexByte(s, '\n')
	if n < 0 {
		return "", "", errIncomplete
	}
	line, rest = s[:n], s[n+1:]
	if n > 0 && s[n-1] == '\r' {
		return line[:n-1], rest, nil
	}
	if !lenient {
		return "", "", bad("a line ends in LF without CR")
	}
	return line, rest, nil
}

// ofFraming says whether a field tells where a message ends.
func ofFraming(name string) bool {
	return message.Same(name, "content-length") || message.Same(name, "transfer-encoding") || message.Same(name, "connection")
}

// badName says what is wrong with a line of which the first n bytes could be a
// field's name.
func badName(line string, n int) error {
	switch {
	case n == 0 && (line[0] == ' ' || line[0] == '\t'):
		return bad("a header field is continued on a second line")
	case n == 0 && line[0] == ':':
		return bad("a header field has no name")
	case n < len(line) && (line[n] == ' ' || line[n] == '\t'):
		return bad("a header field has white space in or after its name")
	case n == len(line):
		return bad("a header line has no colon")
	}
	return bad("a header field's name has a character that is not allowed")
}

// control is what the fields say about the message and its connection.
type control struct {
	hosts, hostAt            int // how many, and where the last is
	length                   int64
	lengths                  int
	coding                   string // the first Transfer-Encoding
	codings                  int
	close, keepAlive, change bool // tokens of Connection
	expect, upgrade          string
}

// scan finds the fields that count. It takes repetitions of the same
// Content-Length out of h (RFC 9112, section 6.3, item 5).
func (c *control) scan(h *message.Header) error {
	c.length = -1
	for i := 0; i < len(*h); i++ {
		f := &(*h)[i]
		switch len(f.Name) {
		case 4:
			if message.Same(f.Name, "host") {
				c.hosts++
				c.hostAt = i
			}
		case 6:
			if message.Same(f.Name, "expect") {
				c.expect = f.Value
			}
		case 7:
			if message.Same(f.Name, "upgrade") {
				c.upgrade = f.Value
			}
		case 10:
			if message.Same(f.Name, "connection") {
				c.connection(f.Value)
			}
		case 14:
			if message.Same(f.Name, "content-length") {
				n, err := parseLength(f.Value)
				if err != nil {
					return err
				}
				if c.lengths++; c.lengths > 1 {
					if n != c.length {
						return bad("there are two lengths of the body")
					}
					*h = slices.Delete(*h, i, i+1)
					i--
				}
				c.length = n
			}
		case 17:
			if message.Same(f.Name, "transfer-encoding") {
				if c.codings++; c.codings == 1 {
					c.coding = f.Value
				}
			}
		}
	}
	return nil
}

func (c *control) connection(value string) {
	for value != "" {
		var t string
		t, value, _ = strings.Cut(value, ",")
		switch t = trim(t); len(t) {
		case 5:
			c.close = c.close || message.Same(t, "close")
		case 7:
			c.change = c.change || message.Same(t, "upgrade")
		case 10:
			c.keepAlive = c.keepAlive || message.Same(t, "keep-alive")
		}
	}
}
