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
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/imgbuild/imgbuild/pkg/shim/discovery"
)

// idleTimeout is when idle connections to the program are given up: before the
// program does so, which is after 5 s in Node.js.
const idleTimeout = 4 * time.Second

var discardLog = log.New(io.Discard, "", 0)

// newForwarder sends requests to t and streams the answers back.
func newForwarder(t *discovery.Target) http.Handler {
	return &httputil.ReverseProxy{
		Rewrite:        func(p *httputil.ProxyRequest) { rewrite(p, "program-"+strconv.Itoa(t.Generation())) },
		Transport:      &transport{newTransport(t, 256), newTransport(t, -1)},
		FlushInterval:  -1, // each write at once
		ModifyResponse: finish,
		ErrorHandler:   failure(t),
		ErrorLog:       discardLog,
		BufferPool:     &buffers{},
	}
}

func newTransport(t *discovery.Target, keep int) *http.Transport {
	return &http.Transport{
		// Proxy stays nil: HTTP_PROXY is for the program's calls to others.
		DialContext:            func(ctx context.Context, _, _ string) (net.Conn, error) { return t.Dial(ctx) },
		DisableCompression:     true,
		MaxIdleConnsPerHost:    keep,
		IdleConnTimeout:        idleTimeout,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: 1 << 20,
		WriteBufferSize:        16 << 10,
		ReadBufferSize:         16 << 10,
	}
}

// transport sends requests that may be sent twice over connections that are
// kept: where the program closes one at that moment, as it does after a thaw,
// net/http sends the request again over another. The others get a connection
// of their own each, for they cannot be sent again once they were on one that
// turns out to be dead.
type transport struct{ kept, fresh http.RoundTripper }

func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		if r.Body == nil || r.Body == http.NoBody {
			return t.kept.RoundTrip(r)
		}
	}
	return t.fresh.RoundTrip(r)
}

// rewrite sends a request on as it came: path and query byte for byte, Host
// and forwarding headers kept. Hop-by-hop headers are already off.
// Connections are kept by the name of where they lead to.
func rewrite(p *httputil.ProxyRequest, name string) {
	in, out := p.In, p.Out
	u := &url.URL{Scheme: "http", Host: name, Path: in.URL.Path, RawPath: in.URL.RawPath, RawQuery: in.URL.RawQuery, ForceQuery: in.URL.ForceQuery}
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
