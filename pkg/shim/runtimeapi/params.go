package runtimeapi

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/imgbuild/imgbuild/pkg/fc"
	"github.com/imgbuild/imgbuild/pkg/shim/http1"
	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// requestParams is an HTTP request without its body, as x-fc-http-params has
// it in base64.
type requestParams struct {
	Path       string              `json:"path"` // decoded
	Method     string              `json:"method"`
	RequestURI string              `json:"requestURI"`
	ClientIP   string              `json:"clientIP"`
	Host       string              `json:"host"`
	Queries    map[string][]string `json:"queriesMap"`
	Headers    map[string][]string `json:"headersMap"`
}

// encodeParams makes the x-fc-http-params of a request.
func encodeParams(r *message.Request) string {
	u := urlOf(r)
	p := requestParams{
		Path: u.Path, Method: r.Method, RequestURI: u.RequestURI(),
		ClientIP: clientIP(r), Host: r.Header.Get("Host"),
		Queries: u.Query(), Headers: map[string][]string{},
	}
	for _, f := range r.Header {
		if passed(f.Name, r.Header) {
			name := canonical(f.Name)
			p.Headers[name] = append(p.Headers[name], f.Value)
		}
	}
	data, _ := json.Marshal(p) // strings and maps of them: it cannot fail
	return base64.StdEncoding.EncodeToString(data)
}

// decodeParams makes a Head of the x-fc-http-params of an answer, without its
// Length. A status of 0 is what the SDK sends where the handler wrote nothing.
func decodeParams(s string) (message.Head, error) {
	var p struct {
		Status  int                 `json:"status"`
		Headers map[string][]string `json:"headersMap"`
	}
	data, err := base64.StdEncoding.DecodeString(strings.TrimSpace(s))
	if err == nil {
		err = json.Unmarshal(data, &p)
	}
	if err != nil {
		return message.Head{}, fmt.Errorf("reading %s: %w", headerParams, err)
	}
	return newHead(p.Status, p.Headers)
}

// newHead makes a Head of what a program says, in a fixed order. What no
// header may have, and what the server itself says, is left out.
func newHead(status int, fields map[string][]string) (message.Head, error) {
	if status == 0 {
		status = 200
	}
	if status < 200 || status > 599 {
		return message.Head{}, fmt.Errorf("%d is not the status of an answer", status)
	}
	head := message.Head{Status: status, Length: -1}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if !http1.IsToken(name) || hop(name) || message.Same(name, "Content-Length") {
			continue
		}
		for _, v := range fields[name] {
			if strings.IndexFunc(v, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }) < 0 {
				head.Header.Add(name, strings.Trim(v, " \t"))
			}
		}
	}
	return head, nil
}

// urlOf parses the target, in a way that net/url can read it again.
func urlOf(r *message.Request) *url.URL {
	if u, err := url.ParseRequestURI(r.Target); err == nil {
		return u
	}
	_, query, _ := strings.Cut(r.Target, "?")
	return &url.URL{Path: r.Path(), RawQuery: query}
}

// clientIP is the client's address without its port: what the first proxy saw,
// for the platform is one.
func clientIP(r *message.Request) string {
	for t := range r.Header.Tokens("X-Forwarded-For") {
		return t
	}
	if r.Remote == nil {
		return ""
	}
	if host, _, err := net.SplitHostPort(r.Remote.String()); err == nil {
		return host
	}
	return r.Remote.String()
}

// passed says whether a request's field is the client's business: neither of
// one connection only nor the platform's own, which hold credentials.
func passed(name string, all message.Header) bool {
	return !hop(name) && !message.Same(name, "Host") && !all.Nominates(name) && !fc.Own(name)
}

// hop says whether a field is of one connection only, or about trailers, which
// the API does not carry.
func hop(name string) bool {
	return message.OfConnection(name) || message.Same(name, "TE") || message.Same(name, "Trailer")
}

// canonical writes a field name as Go programs look for it: X-Forwarded-For.
func canonical(name string) string {
	b := []byte(name)
	up := true
	for i, c := range b {
		switch {
		case up && 'a' <= c && c <= 'z':
			b[i] = c - 0x20
		case !up && 'A' <= c && c <= 'Z':
			b[i] = c + 0x20
		}
		up = c == '-'
	}
	return string(b)
}
