package emulator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"slices"
	"strings"

	"github.com/imgbuild/imgbuild/pkg/fc"
	"github.com/imgbuild/imgbuild/pkg/template"
)

// ServeHTTP is the function's HTTP trigger.
func (e *Emulator) ServeHTTP(w http.ResponseWriter, r *http.Request) { e.newCall(fc.HTTP).serve(w, r) }

func (c *call) serve(w http.ResponseWriter, r *http.Request) {
	if err := c.e.admit(r); err != nil {
		c.refused = as(c.failed(err))
		c.refused.Write(w)
		return
	}
	if r.Body != nil && r.Body != http.NoBody {
		// A body whose length nobody has said.
		ctx, cancel := context.WithCancelCause(r.Context())
		defer cancel(nil)
		r = r.WithContext(ctx)
		r.Body = &limited{r.Body, fc.MaxBodyBytes, cancel}
		// The answer may begin before the body ends. Else the server closes the body
		// then, and the client cuts the answer off where it has not seen the body's
		// end yet. A recorder knows nothing of it.
		_ = http.NewResponseController(w).EnableFullDuplex()
	}
	proxy := &httputil.ReverseProxy{
		Transport:     c,
		FlushInterval: -1, // an event is its reader's as soon as it is written
		ErrorLog:      log.New(io.Discard, "", 0),
		Rewrite: func(p *httputil.ProxyRequest) {
			p.Out.URL.Scheme, p.Out.URL.Host = "http", cmp.Or(p.In.Host, defaultHostname)
			p.Out.URL.RawQuery = p.In.URL.RawQuery // also what Go cannot read
			p.Out.Host = p.In.Host
			p.SetXForwarded()
		},
		ModifyResponse: c.polish,
		ErrorHandler:   c.refuse,
	}
	proxy.ServeHTTP(w, r)
}

// admit says what the platform refuses before it calls the function.
func (e *Emulator) admit(r *http.Request) error {
	n := slices.IndexFunc(e.function.Triggers, func(t template.Trigger) bool { return strings.EqualFold(t.Type, "http") })
	if n < 0 {
		return &Error{Status: http.StatusNotFound, Code: TriggerNotFound, Message: "the function " + e.function.Name + " has no HTTP trigger"}
	}
	t := e.function.Triggers[n]
	if len(t.Methods) > 0 && !slices.ContainsFunc(t.Methods, func(m string) bool { return strings.EqualFold(m, r.Method) }) {
		return &Error{Status: http.StatusMethodNotAllowed, Code: MethodNotAllowed, Message: fmt.Sprintf("the HTTP trigger takes %s, not %s", strings.Join(t.Methods, ", "), r.Method)}
	}
	if a := strings.ToLower(t.Auth); a != "" && a != "anonymous" && r.Header.Get("Authorization") == "" {
		return &Error{Status: http.StatusForbidden, Code: AccessDenied, Message: fmt.Sprintf("the HTTP trigger's auth type is %s, and the request has no Authorization header; sign it, or make the trigger anonymous. Here any signature is good: none is verified", a)}
	}
	target := r.URL.RequestURI()
	if len(target) > fc.MaxTargetBytes {
		return invalid("path and query have %d bytes, and %d are allowed", len(target), fc.MaxTargetBytes)
	}
	size := 0
	for name, values := range r.Header {
		for _, v := range values {
			size += len(name) + len(v) + len(": \r\n")
		}
	}
	if size > fc.MaxHeaderBytes {
		return invalid("the headers have %d bytes, and %d are allowed", size, fc.MaxHeaderBytes)
	}
	if r.ContentLength > fc.MaxBodyBytes {
		return invalid("the body has %d bytes, and %d are allowed", r.ContentLength, fc.MaxBodyBytes)
	}
	return nil
}

// limited ends the call where its body is too long.
type limited struct {
	io.ReadCloser
	left   int64
	cancel context.CancelCauseFunc
}

func (l *limited) Read(p []byte) (int, error) {
	n, err := l.ReadCloser.Read(p)
	if l.left -= int64(n); l.left < 0 {
		err = invalid("the body has more than the %d bytes that are allowed", fc.MaxBodyBytes)
		l.cancel(err)
		return 0, err
	}
	return n, err
}

// polish takes off what the platform keeps for itself, and says whose answer it
// is. The answer's length stays: it is HTTP's own.
func (c *call) polish(res *http.Response) error {
	for name, values := range res.Header {
		if res.StatusCode == http.StatusSwitchingProtocols && name == "Connection" || name == "Content-Length" {
			continue
		}
		if slices.ContainsFunc(values, func(v string) bool { return fc.Reserved(name, v) }) {
			delete(res.Header, name)
		}
	}
	res.Header.Set(fc.HeaderRequestID, c.id)
	res.Header.Set(headerInstanceID, c.instance.id)
	return nil
}

// refuse answers for a function that did not.
func (c *call) refuse(w http.ResponseWriter, r *http.Request, err error) {
	if cause := context.Cause(r.Context()); as(cause) != nil {
		err = c.failed(cause)
	}
	e := as(err)
	if e == nil {
		e = &Error{Status: http.StatusInternalServerError, Code: "InternalServerError", Message: err.Error(), RequestID: c.id}
		if errors.Is(err, errClosed) || r.Context().Err() != nil {
			e.Status, e.Code = http.StatusServiceUnavailable, "ServiceUnavailable"
		}
	}
	c.refused = e
	e.Write(w)
}
