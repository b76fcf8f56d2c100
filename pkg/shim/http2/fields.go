package http2

import (
	"strconv"
	"strings"

	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// A malformed message ends its stream (RFC 9113, section 8.1.1).
func malformed(why string) error { return streamError{codeProtocol, why} }

// checkFields checks fields that are no pseudo-fields (RFC 9113, section 8.2).
// What passes can be written as HTTP/1.1 too without becoming something else.
func checkFields(h message.Header) error {
	for i := range h {
		name, value := h[i].Name, h[i].Value
		if !isName(name) {
			if strings.HasPrefix(name, ":") {
				return malformed("a pseudo-field that is unknown or not in front")
			}
			return malformed("a wrong field name")
		}
		if !isValue(value) {
			return malformed("a wrong field value")
		}
		switch {
		case message.OfConnection(name):
			return malformed("a field of HTTP/1.1 connections")
		case name == "te" && value != "trailers":
			return malformed("te is not trailers")
		}
	}
	return nil
}

// nameBytes are the bytes of a token (RFC 9110, section 5.6.2) but for large
// letters.
var nameBytes = func() (set [256]bool) {
	for _, c := range []byte("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz") {
		set[c] = true
	}
	return
}()

func isName(s string) bool {
	for i := 0; i < len(s); i++ {
		if !nameBytes[s[i]] {
			return false
		}
	}
	return s != ""
}

func isToken(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; !nameBytes[c] && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return s != ""
}

// isValue refuses white space around a value, and control characters in it
// (RFC 9113, section 8.2.1; RFC 9110, section 5.5).
func isValue(s string) bool {
	if s == "" {
		return true
	}
	if isSpace(s[0]) || isSpace(s[len(s)-1]) {
		return false
	}
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' && s[i] != '\t' || s[i] == 0x7f {
			return false
		}
	}
	return true
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' }

// isTarget says whether s can be a request target: it has no white space and
// no control characters.
func isTarget(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] == 0x7f {
			return false
		}
	}
	return s != ""
}

// contentLength returns the value of content-length, -1 where there is none
// (RFC 9110, section 8.6).
func contentLength(h message.Header) (int64, error) {
	n := int64(-1)
	for v := range h.Values("content-length") {
		m, err := strconv.ParseUint(v, 10, 63)
		if err != nil || n >= 0 {
			return 0, malformed("a wrong content-length")
		}
		n = int64(m)
	}
	return n, nil
}

// joinCookies makes one field of several cookie fields (RFC 9113, section
// 8.2.3).
func joinCookies(h message.Header) message.Header {
	first := -1
	var crumbs []string
	for i := range h {
		if h[i].Name != "cookie" {
			continue
		}
		if first < 0 {
			first = i
		} else if crumbs == nil {
			crumbs = []string{h[first].Value, h[i].Value}
		} else {
			crumbs = append(crumbs, h[i].Value)
		}
	}
	if crumbs != nil {
		h.Set("cookie", strings.Join(crumbs, "; "))
	}
	return h
}
