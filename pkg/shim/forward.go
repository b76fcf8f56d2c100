package shim

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/textproto"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Idle connections to the program are given up before the program does so:
// Node.js closes them after 5 s. A request that may be sent again can meet a
// closing connection without harm; for the others only connections are used
// that were busy a moment ago.
const (
	idleRepeatable = 4 * time.Second
	idleOnce       = time.Second
)

var discardLog = log.New(io.Discard, "", 0)

// newForwarder sends requests to t and streams the answers back.
func newForwarder(t *target) http.Handler {
	return &httputil.ReverseProxy{
		Rewrite:        rewrite,
		Transport:      &transport{newTransport(t, idleRepeatable), newTransport(t, idleOnce)},
		FlushInterval:  -1, // each write at once
		ModifyResponse: finish,
		ErrorHandler:   failure(t.program),
		ErrorLog:       discardLog,
		BufferPool:     &buffers{},
	}
}

func newTransport(t *target, idle time.Duration) *http.Transport {
	return &http.Transport{
		// Proxy stays nil: HTTP_PROXY is for the program's calls to others.
		DialContext:            func(ctx context.Context, _, _ string) (net.Conn, error) { return t.dial(ctx) },
		DisableCompression:     true,
		MaxIdleConnsPerHost:    256,
		IdleConnTimeout:        idle,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: 1 << 20,
		WriteBufferSize:        16 << 10,
		ReadBufferSize:         16 << 10,
	}
}

// transport keeps requests that may be sent twice apart from those that must not.
type transport struct{ repeatable, once http.RoundTripper }

func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return t.repeatable.RoundTrip(r)
	}
	return t.once.RoundTrip(r)
}

// rewrite sends a request on as it came: path and query byte for byte, Host
// and forwarding headers kept. Hop-by-hop headers are already off.
func rewrite(p *httputil.ProxyRequest) {
	in, out := p.In, p.Out
	u := &url.URL{Scheme: "http", Host: "program", Path: in.URL.Path, RawPath: in.URL.RawPath, RawQuery: in.URL.RawQuery, ForceQuery: in.URL.ForceQuery}
	if path, _, _ := strings.Cut(in.RequestURI, "?"); strings.HasPrefix(path, "/") && !strings.HasPrefix(path, "//") {
		u.Opaque = path
	}
	out.URL = u
	out.Host = in.Host
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
		if v, ok := in.Header[name]; ok {
			out.Header[name] = v
		}
	}
}

// finish takes off the response headers that belong to the platform, and says
// how an event call ended where the program does not: without x-fc-status the
// platform counts every answer as success.
func finish(r *http.Response) error {
	e := exchangeOf(r.Request)
	status := r.Header.Get(headerStatus)
	for name := range r.Header {
		if strings.HasPrefix(textproto.CanonicalMIMEHeaderKey(name), "X-Fc-") {
			delete(r.Header, name)
		}
	}
	r.Header.Del("Server")
	if status == "" && isEvent(r.Request) {
		status = "200"
		if r.StatusCode >= 400 && !(r.StatusCode == http.StatusNotFound && e.kind != kindInvoke) {
			status = "404"
		}
	}
	if status != "" {
		r.Header.Set(headerStatus, status)
	}
	e.failed = isEvent(r.Request) && status != "200"
	return nil
}

// isEvent says whether the platform itself made the call, so that it looks at
// x-fc-status. An HTTP trigger's answer goes to its client as it is.
func isEvent(r *http.Request) bool {
	switch r.Header.Get(headerControlPath) {
	case "/invoke", "/initialize", "/pre-freeze", "/pre-stop":
		return true
	}
	return false
}

// buffers are 32 KB each, as io.Copy's.
type buffers struct{ pool sync.Pool }

func (b *buffers) Get() []byte {
	if p, ok := b.pool.Get().(*[]byte); ok {
		return *p
	}
	return make([]byte, 32<<10)
}

func (b *buffers) Put(p []byte) { b.pool.Put(&p) }
