package runtimeapi

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/imgbuild/imgbuild/pkg/fc"
	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// httpEvent is an HTTP trigger's request as an event, without its body ("Use an
// HTTP trigger to invoke a function", request struct, version v1).
type httpEvent struct {
	Version string            `json:"version"`
	RawPath string            `json:"rawPath"`
	Headers map[string]string `json:"headers"`
	Queries map[string]string `json:"queryParameters"`
	Context httpEventContext  `json:"requestContext"`
	Encoded bool              `json:"isBase64Encoded"`
}

type httpEventContext struct {
	AccountID    string `json:"accountId"`
	DomainName   string `json:"domainName"`
	DomainPrefix string `json:"domainPrefix"`
	HTTP         struct {
		Method    string `json:"method"`
		Path      string `json:"path"` // decoded
		Protocol  string `json:"protocol"`
		SourceIP  string `json:"sourceIp"`
		UserAgent string `json:"userAgent"`
	} `json:"http"`
	RequestID string `json:"requestId"`
	Time      string `json:"time"`
	TimeEpoch string `json:"timeEpoch"` // milliseconds since 1970, in a string
}

// encodeEvent makes the event of r with that body. The body is encoded as it
// is written, text as a JSON string and all else in base64, so that it is not
// held twice.
func (a *API) encodeEvent(r *message.Request, body []byte, now time.Time) func(io.Writer) error {
	u := urlOf(r)
	e := httpEvent{Version: "v1", RawPath: u.EscapedPath(), Headers: map[string]string{}, Queries: map[string]string{}, Encoded: !utf8.Valid(body)}
	for _, f := range r.Header {
		if !passed(f.Name, r.Header) && !message.Same(f.Name, "Host") {
			continue
		}
		name := canonical(f.Name)
		if before, ok := e.Headers[name]; ok {
			f.Value = before + "," + f.Value
		}
		e.Headers[name] = f.Value
	}
	for name, values := range u.Query() {
		e.Queries[name] = strings.Join(values, ",")
	}
	c := &e.Context
	c.AccountID = r.Header.Get(fc.HeaderAccountID)
	if c.AccountID == "" {
		c.AccountID = a.options.Getenv("FC_ACCOUNT_ID")
	}
	c.DomainName = r.Header.Get("Host")
	c.DomainPrefix, _, _ = strings.Cut(c.DomainName, ".")
	c.HTTP.Method, c.HTTP.Path, c.HTTP.Protocol = r.Method, u.Path, protocol(r.Version)
	c.HTTP.SourceIP, c.HTTP.UserAgent = clientIP(r), r.Header.Get("User-Agent")
	c.RequestID = r.Header.Get(fc.HeaderRequestID)
	c.Time, c.TimeEpoch = now.UTC().Format(time.RFC3339), strconv.FormatInt(now.UnixMilli(), 10)
	head, _ := json.Marshal(e) // strings and maps of them: it cannot fail

	return func(w io.Writer) error {
		if _, err := fmt.Fprintf(w, `%s,"body":"`, head[:len(head)-1]); err != nil {
			return err
		}
		if err := writeText(w, body, e.Encoded); err != nil {
			return err
		}
		_, err := io.WriteString(w, `"}`)
		return err
	}
}

// writeText writes the inside of a JSON string.
func writeText(w io.Writer, body []byte, encoded bool) error {
	if encoded {
		b := base64.NewEncoder(base64.StdEncoding, w)
		if _, err := b.Write(body); err != nil {
			return err
		}
		return b.Close()
	}
	const piece = 32 << 10
	for len(body) > 0 {
		n := min(piece, len(body))
		for n < len(body) && !utf8.RuneStart(body[n]) {
			n++
		}
		quoted := message.Quote(string(body[:n]))
		if _, err := io.WriteString(w, quoted[1:len(quoted)-1]); err != nil {
			return err
		}
		body = body[n:]
	}
	return nil
}

func protocol(v message.Version) string {
	switch v {
	case message.HTTP10:
		return "HTTP/1.0"
	case message.HTTP2:
		return "HTTP/2"
	}
	return "HTTP/1.1"
}

// decodeEventAnswer makes an HTTP answer of what an event function returned.
// What is no object with a statusCode is itself the body (the same document,
// response struct). data is not kept.
func decodeEventAnswer(data []byte) (message.Head, []byte, error) {
	var e struct {
		Status  *int            `json:"statusCode"`
		Headers map[string]any  `json:"headers"`
		Encoded bool            `json:"isBase64Encoded"`
		Body    json.RawMessage `json:"body"`
	}
	if !bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("{")) || json.Unmarshal(data, &e) != nil || e.Status == nil {
		return message.Head{Status: 200, Length: int64(len(data)),
			Header: message.Header{{Name: "Content-Type", Value: "application/json"}}}, data, nil
	}
	fields := map[string][]string{}
	for name, v := range e.Headers {
		switch v := v.(type) {
		case []any:
			for _, one := range v {
				fields[name] = append(fields[name], fmt.Sprint(one))
			}
		case nil:
		default:
			fields[name] = []string{fmt.Sprint(v)}
		}
	}
	head, err := newHead(*e.Status, fields)
	if err != nil {
		return head, nil, err
	}
	var text string
	body := []byte(e.Body) // a body that is no string is its JSON
	if len(body) > 0 && body[0] == '"' {
		_ = json.Unmarshal(e.Body, &text) // it was parsed before
		body = []byte(text)
	} else if string(body) == "null" {
		body = nil
	}
	if e.Encoded {
		if body, err = base64.StdEncoding.DecodeString(string(body)); err != nil {
			return head, nil, fmt.Errorf("reading a body that isBase64Encoded: %w", err)
		}
	}
	if !head.Header.Has("Content-Type") && len(body) > 0 {
		head.Header.Add("Content-Type", "application/json")
	}
	head.Length = int64(len(body))
	return head, body, nil
}
