package http1

import (
	"strings"

	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// parseRequest reads a request's head into r, whose Header it reuses; Body,
// Trailer and Remote are left to the caller. All strings are parts of head.
// Errors are of type *Error.
//
// Where the target is a whole URL its authority takes the place of Host (RFC
// 9112, section 3.2.2).
func parseRequest(head string, r *message.Request) (Framing, error) {
	line, rest, err := cutLine(head, false)
	if err != nil {
		return Framing{}, err
	}
	if err := parseRequestLine(line, r); err != nil {
		return Framing{}, err
	}
	if r.Header, err = parseFields(rest, r.Header[:0], false); err != nil {
		return Framing{}, err
	}
	var c control
	if err := c.scan(&r.Header); err != nil {
		return Framing{}, err
	}
	f, err := c.framing(r.Version)
	if err != nil {
		return Framing{}, err
	}
	if err := c.checkHost(r); err != nil {
		return Framing{}, err
	}
	if f.Kind == None || f.Length == 0 {
		f.Kind, f.Length = None, 0
	}
	r.Length = f.Length
	r.Expect, r.Upgrade = false, ""
	if r.Version >= message.HTTP11 {
		if c.expect != "" && !message.Same(c.expect, "100-continue") {
			return Framing{}, &Error{417, "the request expects what is not known"}
		}
		r.Expect = c.expect != "" && f.Kind != None
		// The change to HTTP/2 by Upgrade is withdrawn (RFC 9113, section 3.1).
		if c.change && !message.Same(c.upgrade, "h2c") {
			r.Upgrade = c.upgrade
		}
	}
	return f, nil
}

// parseRequestLine reads RFC 9112, section 3. It takes single spaces only.
func parseRequestLine(line string, r *message.Request) error {
	a := strings.IndexByte(line, ' ')
	b := strings.LastIndexByte(line, ' ')
	if a <= 0 || a == b {
		return bad("the request line is not a method, a target and a version")
	}
	r.Method, r.Target = line[:a], line[a+1:b]
	if !only(r.Method, token) {
		return bad("the method has a character that is not allowed")
	}
	var err error
	if r.Version, err = parseVersion(line[b+1:]); err != nil {
		return err
	}
	switch {
	case r.Target == "" || !only(r.Target, target):
		return bad("the request target has a character that is not allowed")
	case r.Method == "CONNECT":
		return &Error{501, "CONNECT is for proxies"}
	case r.Target[0] == '/', r.Target == "*" && r.Method == "OPTIONS":
		return nil
	}
	if _, ok := authority(r.Target); !ok {
		return bad("the request target is neither a path nor a URL")
	}
	return nil
}

// parseVersion reads HTTP-version (RFC 9112, section 2.3). A higher minor
// version is spoken to in ours (RFC 9110, section 2.5).
func parseVersion(s string) (message.Version, error) {
	switch s {
	case "HTTP/1.1":
		return message.HTTP11, nil
	case "HTTP/1.0":
		return message.HTTP10, nil
	}
	if len(s) != 8 || s[:5] != "HTTP/" || s[6] != '.' || s[5] < '0' || s[5] > '9' || s[7] < '0' || s[7] > '9' {
		return 0, bad("the protocol's name and version are not HTTP's")
	}
	if s[5] != '1' {
		return 0, &Error{505, "the version of HTTP is not 1.0 or 1.1"}
	}
	return message.HTTP11, nil
}

// authority is the host and port of an absolute-form target.
func authority(s string) (string, bool) {
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok || !message.Same(scheme, "http") && !message.Same(scheme, "https") {
		return "", false
	}
	if n := strings.IndexAny(rest, "/?#"); n >= 0 {
		rest = rest[:n]
	}
	return rest, rest != "" && only(rest, host)
}

// checkHost applies RFC 9112, section 3.2.
func (c *control) checkHost(r *message.Request) error {
	switch {
	case c.hosts > 1:
		return bad("there is more than one Host")
	case c.hosts == 0 && r.Version >= message.HTTP11:
		return bad("there is no Host")
	case c.hosts == 1 && !only(r.Header[c.hostAt].Value, host):
		return bad("the Host has a character that is not allowed")
	}
	if a, ok := authority(r.Target); ok && r.Target[0] != '/' {
		r.Header.Set("Host", a)
	}
	return nil
}
