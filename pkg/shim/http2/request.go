package http2

import (
	"strings"

	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// control is a request's pseudo-fields (RFC 9113, section 8.3.1).
type control struct {
	method, scheme, path, authority string
	hasAuthority, hasPath           bool
}

// takeControl takes the pseudo-fields, which stand in front, off h.
func takeControl(h message.Header) (control, message.Header, error) {
	var c control
	var seen [4]bool
	i := 0
	for ; i < len(h) && strings.HasPrefix(h[i].Name, ":"); i++ {
		var to *string
		at := 0
		switch h[i].Name {
		case ":method":
			to, at = &c.method, 0
		case ":scheme":
			to, at = &c.scheme, 1
		case ":path":
			to, at = &c.path, 2
		case ":authority":
			to, at = &c.authority, 3
		default:
			return c, h, malformed("an unknown pseudo-field")
		}
		if seen[at] {
			return c, h, malformed("a pseudo-field twice")
		}
		*to, seen[at] = h[i].Value, true
	}
	c.hasPath, c.hasAuthority = seen[2], seen[3]
	return c, h[i:], c.check()
}

func (c *control) check() error {
	switch {
	case !isToken(c.method):
		return malformed("a wrong :method")
	case c.hasAuthority && (!isTarget(c.authority) || strings.Contains(c.authority, "@")):
		return malformed("a wrong :authority")
	case c.method == "CONNECT" && (c.scheme != "" || c.hasPath || !c.hasAuthority): // section 8.5
		return malformed("CONNECT with :path or :scheme")
	case c.method == "CONNECT":
		return nil
	case !isToken(c.scheme):
		return malformed("a wrong :scheme")
	case !isTarget(c.path):
		return malformed("a wrong :path")
	case c.path[0] != '/' && (c.path != "*" || c.method != "OPTIONS"):
		return malformed("a :path that is not absolute")
	}
	return nil
}

// newRequest makes a request of a header block.
func newRequest(h message.Header, end bool) (message.Request, error) {
	all := h
	c, h, err := takeControl(h)
	if err == nil {
		err = checkFields(h)
	}
	r := message.Request{Method: c.method, Target: c.path, Version: message.HTTP2}
	if err != nil {
		return r, err
	}
	if c.method == "CONNECT" {
		r.Target = c.authority
	}
	hosts := 0
	for host := range h.Values("host") {
		if hosts++; hosts > 1 || !isTarget(host) || c.hasAuthority && !message.Same(host, c.authority) {
			return r, malformed("several hosts")
		}
	}
	switch {
	case hosts == 0 && !c.hasAuthority:
		return r, malformed("neither :authority nor host")
	case hosts == 0: // in the place of the last pseudo-field
		h = all[len(all)-len(h)-1:]
		h[0] = message.Field{Name: "Host", Value: c.authority}
	}
	r.Header = joinCookies(h)
	length, err := contentLength(h)
	switch {
	case err != nil:
		return r, err
	case !end:
		r.Length = length
	case length > 0:
		return r, malformed("a content-length, but no body")
	}
	r.Expect = !end && r.Header.HasToken("expect", "100-continue")
	return r, nil
}

// checkTrailer checks fields after a body (RFC 9113, section 8.1).
func checkTrailer(h message.Header) error {
	if err := checkFields(h); err != nil {
		return err
	}
	if h.Has("content-length") || h.Has("host") {
		return malformed("a field that has no place in a trailer")
	}
	return nil
}
