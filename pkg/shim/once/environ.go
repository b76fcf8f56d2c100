package once

import (
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/imgbuild/imgbuild/pkg/fc"
	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// context is what the platform says in headers, under the names that the
// environment of a function has for it. Credentials are there and only there:
// a header's variable would stand beside those of the client.
var context = slices.Concat(fc.Variables, []struct{ Header, Variable string }{
	{fc.HeaderRequestID, "FC_REQUEST_ID"},
	{fc.HeaderControlPath, "FC_CONTROL_PATH"},
	{fc.HeaderFunctionTimeout, "FC_FUNCTION_TIMEOUT"},
	{"X-Amzn-Trace-Id", "_X_AMZN_TRACE_ID"}, // AWS Lambda's
})

// environ is base and what r says: the context for every call, and for an HTTP
// trigger's also the variables of CGI (RFC 3875, section 4.1) with the client's
// header as HTTP_*. FC_CONTROL_PATH is /invoke for an event and /http-invoke
// for an HTTP trigger's request.
func environ(base []string, r *message.Request, call fc.Call) []string {
	env := make([]string, len(base), len(base)+2*len(context)+len(r.Header))
	copy(env, base)
	set := func(name, value string) {
		if strings.IndexByte(value, 0) < 0 { // execve would refuse the whole
			env = append(env, name+"="+value)
		}
	}
	for _, c := range context {
		v := r.Header.Get(c.Header)
		if c.Header == fc.HeaderControlPath {
			v = call.Path()
		}
		if v != "" {
			set(c.Variable, v)
		}
	}
	if call == fc.HTTP {
		cgi(set, r)
	}
	return unique(env)
}

// cgi sets the variables of an HTTP request.
func cgi(set func(name, value string), r *message.Request) {
	path, query, _ := strings.Cut(r.Target, "?")
	set("GATEWAY_INTERFACE", "CGI/1.1")
	set("SERVER_PROTOCOL", "HTTP/"+strconv.Itoa(int(r.Version/10))+"."+strconv.Itoa(int(r.Version%10)))
	set("SERVER_SOFTWARE", "shim")
	set("REQUEST_METHOD", r.Method)
	set("REQUEST_URI", r.Target)
	set("SCRIPT_NAME", "")
	set("PATH_INFO", unescape(path))
	set("QUERY_STRING", query)
	if r.Remote != nil {
		if host, _, err := net.SplitHostPort(r.Remote.String()); err == nil {
			set("REMOTE_ADDR", host)
		}
	}
	if host := r.Header.Get("Host"); host != "" {
		name, port, err := net.SplitHostPort(host)
		if err != nil {
			name, port = host, "80"
		}
		set("SERVER_NAME", name)
		set("SERVER_PORT", port)
	}
	if r.Length > 0 {
		set("CONTENT_LENGTH", strconv.FormatInt(r.Length, 10))
	}
	var names []string
	values := map[string]string{}
	for _, f := range r.Header {
		name, ok := variable(f.Name)
		if !ok {
			continue
		}
		before, again := values[name]
		switch {
		case !again:
			names = append(names, name)
			values[name] = f.Value
		case name == "HTTP_COOKIE":
			values[name] = before + "; " + f.Value
		default:
			values[name] = before + ", " + f.Value
		}
	}
	for _, name := range names {
		set(name, values[name])
	}
}

// variable is the CGI variable of a field. There is none for the platform's
// own fields, for those of the connection, for names that could be taken for
// others (a_b and a-b), and for Proxy, which programs would take for their
// HTTP_PROXY ("httpoxy", CVE-2016-5385).
func variable(field string) (string, bool) {
	if fc.Own(field) {
		return "", false
	}
	for _, c := range []byte(field) {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '-' {
			return "", false
		}
	}
	name := strings.ToUpper(strings.ReplaceAll(field, "-", "_"))
	switch name {
	case "PROXY", "CONTENT_LENGTH", "CONNECTION", "KEEP_ALIVE", "TE", "TRAILER", "TRANSFER_ENCODING", "UPGRADE", "PROXY_CONNECTION":
		return "", false
	case "CONTENT_TYPE":
		return name, true
	}
	return "HTTP_" + name, true
}

// unescape decodes %XX where it is right and keeps it where it is not.
func unescape(s string) string {
	if strings.IndexByte(s, '%') < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				b.WriteByte(byte(n))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// unique keeps the last of each name: programs differ in which they take.
func unique(env []string) []string {
	last := make(map[string]int, len(env))
	for i, e := range env {
		name, _, _ := strings.Cut(e, "=")
		last[name] = i
	}
	kept := env[:0]
	for i, e := range env {
		if name, _, _ := strings.Cut(e, "="); last[name] == i {
			kept = append(kept, e)
		}
	}
	return kept
}
