package relay

import (
	"strings"

	"github.com/imgbuild/imgbuild/pkg/shim/http1"
	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// framingOf says how r's body goes on. Trailers need chunks.
func framingOf(r *message.Request) http1.Framing {
	switch {
	case r.Body == nil || r.Length == 0:
		return http1.Framing{Kind: http1.None}
	case r.Length > 0 && !(r.Version == message.HTTP2 && r.Header.Has("Trailer")):
		return http1.Framing{Kind: http1.Length, Length: r.Length}
	}
	return http1.Framing{Kind: http1.Chunked, Length: -1}
}

// writeHead writes r's head as it goes to the program: as it came, but without
// the fields that are for one hop (RFC 9110, section 7.6.1), and with the
// framing of its body. It is false where HTTP/1.1 cannot carry r: a server's
// parser refuses that, but exchanges also come from elsewhere, such as JSON.
func writeHead(w *http1.Writer, r *message.Request, f http1.Framing) bool {
	target, host := originForm(r)
	if !http1.IsToken(r.Method) || target == "" || strings.ContainsAny(target, " \t\r\n\x00") {
		return false
	}
	w.Line(r.Method, " ", target, " HTTP/1.1")
	h := headWriter{
		Writer: w, r: r, framing: f, upgrade: upgradeOf(r),
		trailers: r.Header.HasToken("TE", "trailers"),
		named:    namesFields(r.Header),
	}
	if host != "" {
		h.host = true
		w.Field("Host", host)
	}
	for i := range r.Header {
		f := &r.Header[i]
		if !http1.IsToken(f.Name) {
			return false
		}
		h.write(f)
	}
	h.finish()
	return true
}

// headWriter keeps what is decided once for a request's fields.
type headWriter struct {
	*http1.Writer
	r       *message.Request
	framing http1.Framing
	upgrade string
	// trailers: the client accepts trailers, which is said for each hop.
	trailers bool
	// named: Connection names fields, which are for this hop only.
	named bool

	host, connection, framed, te, cookie bool // have been written
}

// write writes f unless it is for one hop only. Framing and connection fields
// are written anew, in the place and the case that they came in.
func (h *headWriter) write(f *message.Field) {
	switch len(f.Name) {
	case len("TE"):
		if message.Same(f.Name, "TE") {
			if h.trailers && !h.te {
				h.te = true
				h.Field(f.Name, "trailers")
			}
			return
		}
	case len("Host"):
		if message.Same(f.Name, "Host") {
			if !h.host {
				h.host = true
				h.Field(f.Name, f.Value)
			}
			return
		}
	case len("Cookie"):
		if h.r.Version == message.HTTP2 && message.Same(f.Name, "Cookie") {
			h.writeCookies(f.Name)
			return
		}
	case len("Upgrade"):
		if message.Same(f.Name, "Upgrade") {
			if h.upgrade != "" {
				h.Field(f.Name, f.Value)
			}
			return
		}
	case len("Connection"):
		if message.Same(f.Name, "Connection") {
			h.writeConnection(f.Name)
			return
		}
		if message.Same(f.Name, "Keep-Alive") {
			return
		}
	case len("Content-Length"):
		if message.Same(f.Name, "Content-Length") {
			h.writeFraming(f.Name, "Transfer-Encoding")
			return
		}
	case len("Proxy-Connection"):
		if message.Same(f.Name, "Proxy-Connection") {
			return
		}
	case len("Transfer-Encoding"):
		if message.Same(f.Name, "Transfer-Encoding") {
			h.writeFraming("Content-Length", f.Name)
			return
		}
	}
	if h.named && h.r.Header.Nominates(f.Name) {
		return
	}
	h.Field(f.Name, f.Value)
}

func (h *headWriter) writeConnection(name string) {
	if h.connection {
		return
	}
	h.connection = true
	switch {
	case h.upgrade != "" && h.trailers:
		h.Field(name, "Upgrade, TE")
	case h.upgrade != "":
		h.Field(name, "Upgrade")
	case h.trailers:
		h.Field(name, "TE")
	}
}

func (h *headWriter) writeFraming(length, encoding string) {
	if h.framed {
		return
	}
	h.framed = true
	switch h.framing.Kind {
	case http1.Chunked:
		h.Field(encoding, "chunked")
	case http1.Length:
		h.Number(length, h.framing.Length)
	default:
		h.Field(length, "0")
	}
}

// writeCookies joins the crumbs that HTTP/2 splits a Cookie field into (RFC
// 9113, section 8.2.3).
func (h *headWriter) writeCookies(name string) {
	if h.cookie {
		return
	}
	h.cookie = true
	var b strings.Builder
	for v := range h.r.Header.Values(name) {
		if b.Len() > 0 {
			b.WriteString("; ")
		}
		b.WriteString(v)
	}
	h.Field(name, b.String())
}

// finish adds what the client did not have to send.
func (h *headWriter) finish() {
	if !h.host {
		// An HTTP/1.0 client did not say, so the server may choose a name
		// (RFC 9112, section 3.3). Many frameworks refuse an empty one.
		h.Field("Host", "localhost")
	}
	if h.framing.Kind != http1.None || expectsBody(h.r.Method) {
		h.writeFraming("Content-Length", "Transfer-Encoding")
	}
	if h.upgrade != "" || h.trailers {
		h.writeConnection("Connection")
	}
}

// expectsBody: a request of such a method says that its body is empty (RFC
// 9110, section 8.6).
func expectsBody(method string) bool {
	return method == "POST" || method == "PUT" || method == "PATCH"
}

// upgradeOf is the protocol to change to, "" for none. That to HTTP/2 is not
// asked of the program: it is withdrawn (RFC 9113, section 3.1).
func upgradeOf(r *message.Request) string {
	if r.Upgrade == "" || message.Same(r.Upgrade, "h2c") || r.Version != message.HTTP11 {
		return ""
	}
	return r.Upgrade
}

// repeatable says whether the same request may be sent twice without harm (RFC
// 9110, section 9.2.1).
func repeatable(r *message.Request) bool {
	switch r.Method {
	case "GET", "HEAD", "OPTIONS", "TRACE":
		return r.Body == nil || r.Length == 0
	}
	return false
}

// namesFields says whether Connection may name other fields of h.
func namesFields(h message.Header) bool {
	for t := range h.Tokens("Connection") {
		if !message.Same(t, "keep-alive") && !message.Same(t, "close") && !message.Same(t, "upgrade") {
			return true
		}
	}
	return false
}

// originForm is the target as a server gets it, and the Host that takes the
// place of the client's, "" to keep that (RFC 9112, sections 3.2.2 and 3.2.4).
func originForm(r *message.Request) (target, host string) {
	target = r.Target
	if strings.HasPrefix(target, "/") || target == "*" {
		return target, ""
	}
	scheme, rest, ok := strings.Cut(target, "://")
	if !ok || !http1.IsToken(scheme) {
		return "", ""
	}
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	host, target = rest[:end], rest[end:]
	host = host[strings.LastIndexByte(host, '@')+1:]
	switch {
	case host == "":
		return "", ""
	case target == "" && r.Method == "OPTIONS":
		target = "*"
	case !strings.HasPrefix(target, "/"):
		target = "/" + target
	}
	return target, host
}
