package http1

import (
	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// Response is the head of an answer.
type Response struct {
	Version message.Version
	// Status is 100 to 999.
	Status int
	// Reason is the phrase as it came, "" for none.
	Reason string
	// Header has all fields as they came.
	Header  message.Header
	Framing Framing
	// Upgrade is the protocol of a 101.
	Upgrade string
}

// parseResponse reads the head of an answer to a request with the given
// method into r, whose Header it reuses. All strings are parts of head. Errors
// are of type *Error.
func parseResponse(head, method string, r *Response) error {
	line, rest, err := cutLine(head, true)
	if err != nil {
		return err
	}
	if err := parseStatusLine(line, r); err != nil {
		return err
	}
	if r.Header, err = parseFields(rest, r.Header[:0], true); err != nil {
		return err
	}
	var c control
	if err := c.scan(&r.Header); err != nil {
		return err
	}
	r.Upgrade = ""
	if r.Status == 101 && c.change {
		r.Upgrade = c.upgrade
	}
	f, err := c.framing(r.Version)
	switch { // RFC 9112, section 6.3, items 1, 2, 4 to 6 and 8
	case err != nil:
	case method == "HEAD" || r.Status < 200 || r.Status == 204 || r.Status == 304:
		f.Kind = None
	case f.Kind == None:
		f.Kind, f.KeepAlive = UntilClose, false
	case f.Kind == Length && f.Length == 0:
		f.Kind = None
	}
	r.Framing = f
	return err
}

// parseStatusLine reads RFC 9112, section 4. Programs leave the phrase out,
// with the space before it.
func parseStatusLine(line string, r *Response) error {
	if len(line) < len("HTTP/1.1 200") || line[8] != ' ' {
		return bad("the answer does not begin with a version of HTTP and a status")
	}
	var err error
	if r.Version, err = parseVersion(line[:8]); err != nil {
		return err
	}
	a, b, c := line[9]-'0', line[10]-'0', line[11]-'0'
	if a < 1 || a > 9 || b > 9 || c > 9 || len(line) > 12 && line[12] != ' ' {
		return bad("the status is not a number of three digits")
	}
	r.Status = int(a)*100 + int(b)*10 + int(c)
	if r.Reason = trim(line[12:]); !only(r.Reason, text) {
		return bad("the reason phrase has a control character")
	}
	return nil
}
