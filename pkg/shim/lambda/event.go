package lambda

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

// source is who sent an event, as far as it matters for its answer.
type source int

const (
	other    source = iota // an event that is no HTTP request
	v1                     // API Gateway, payload format 1.0
	v2                     // API Gateway or a function URL, payload format 2.0
	alb                    // Application Load Balancer
	albMulti               // the same, with multi-value headers enabled
)

// httpEvent is what the four kinds of HTTP events have, each some of it
// ("Create AWS Lambda proxy integrations for HTTP APIs in API Gateway",
// "Lambda functions as targets").
type httpEvent struct {
	Version string `json:"version"`

	Method       string              `json:"httpMethod"`
	Path         string              `json:"path"`
	Queries      map[string]string   `json:"queryStringParameters"`
	MultiQueries map[string][]string `json:"multiValueQueryStringParameters"`
	MultiHeaders map[string][]string `json:"multiValueHeaders"`

	RawPath  string   `json:"rawPath"`
	RawQuery string   `json:"rawQueryString"`
	Cookies  []string `json:"cookies"`

	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
	Encoded bool              `json:"isBase64Encoded"`
	Context struct {
		ELB        *struct{} `json:"elb"`
		DomainName string    `json:"domainName"`
		Identity   struct {
			SourceIP string `json:"sourceIp"`
		} `json:"identity"`
		HTTP struct {
			Method   string `json:"method"`
			SourceIP string `json:"sourceIp"`
		} `json:"http"`
	} `json:"requestContext"`
}

// parse says who sent an event, and what its request is where it is one.
func parse(payload []byte) (source, *httpEvent) {
	var e httpEvent
	if json.Unmarshal(payload, &e) != nil {
		return other, nil // also an event that has such names for other things
	}
	switch {
	case e.Version == "2.0" && e.Context.HTTP.Method != "":
		return v2, &e
	case e.Method == "" || !strings.HasPrefix(e.Path, "/"):
		return other, nil
	case e.Context.ELB != nil && e.MultiHeaders != nil:
		return albMulti, &e
	case e.Context.ELB != nil:
		return alb, &e
	}
	return v1, &e
}

// request makes e a request. Its body is returned beside it.
func (e *httpEvent) request(from source) (*message.Request, []byte, error) {
	r := &message.Request{Method: e.Method, Version: message.HTTP11}
	if from == v2 {
		r.Method = e.Context.HTTP.Method
	}
	if !http1.IsToken(r.Method) {
		return nil, nil, fmt.Errorf("%.40q is no HTTP method", r.Method)
	}
	r.Target = e.target(from)
	e.header(from, &r.Header)
	body := []byte(e.Body)
	if e.Encoded {
		var err error
		if body, err = base64.StdEncoding.DecodeString(e.Body); err != nil {
			return nil, nil, fmt.Errorf("its body is not the base64 that it says: %w", err)
		}
	}
	r.Length = int64(len(body))
	ip := e.Context.HTTP.SourceIP
	if ip == "" {
		ip = e.Context.Identity.SourceIP
	}
	r.Remote = &net.TCPAddr{IP: net.ParseIP(ip)}
	return r, body, nil
}

// target is the path and query. API Gateway's 1.0 has decoded the query; a
// load balancer and 2.0 pass it as it came.
func (e *httpEvent) target(from source) string {
	path, query := e.Path, e.RawQuery
	if from == v2 {
		path = e.RawPath
	} else {
		query = e.query(from == v1)
	}
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	path = strings.NewReplacer("?", "%3F", "#", "%23").Replace(visible(path))
	if query != "" {
		path += "?" + strings.ReplaceAll(visible(query), "#", "%23")
	}
	return path
}

// query puts parameters together, in the order of their names.
func (e *httpEvent) query(encode bool) string {
	all := e.MultiQueries
	if all == nil {
		all = map[string][]string{}
		for name, v := range e.Queries {
			all[name] = []string{v}
		}
	}
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(all)) {
		for _, v := range all[name] {
			if b.Len() > 0 {
				b.WriteByte('&')
			}
			if encode {
				b.WriteString(url.QueryEscape(name) + "=" + url.QueryEscape(v))
			} else {
				b.WriteString(name + "=" + v)
			}
		}
	}
	return b.String()
}

// visible encodes what cannot stand in a request target, and nothing else.
func visible(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if c := s[i]; c > ' ' && c < 0x7f {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// header adds the client's fields to h, in the order of their names.
func (e *httpEvent) header(from source, h *message.Header) {
	all := e.MultiHeaders
	if from == v2 || all == nil {
		all = map[string][]string{}
		for name, v := range e.Headers {
			all[name] = []string{v}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if !http1.IsToken(name) || ours(name) {
			continue
		}
		for _, v := range all[name] {
			if !strings.ContainsAny(v, "\r\n\x00") {
				h.Add(name, strings.Trim(v, " \t"))
			}
		}
	}
	if len(e.Cookies) > 0 && !h.Has("Cookie") {
		if v := strings.Join(e.Cookies, "; "); !strings.ContainsAny(v, "\r\n\x00") {
			h.Add("Cookie", v)
		}
	}
	if !h.Has("Host") && e.Context.DomainName != "" && !strings.ContainsAny(e.Context.DomainName, " \t\r\n\x00") {
		h.Add("Host", e.Context.DomainName)
	}
}

// ours says whether a client's field is one of the connection, which has ended
// at AWS, or one that only we set.
func ours(name string) bool {
	lower := strings.ToLower(name)
	switch lower {
	case "te", "trailer", "content-length", "expect", "x-amzn-trace-id":
		return true
	}
	return message.OfConnection(name) || fc.Own(name) || strings.HasPrefix(lower, runtimeFields)
}
