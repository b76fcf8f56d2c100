package main

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// piece is how many bytes may go over a limited wire at once.
const piece = 64 << 10

// wire is the way to one registry: a reverse proxy that limits how fast
// request bodies go through all of its connections together, counts, and may
// be cut once.
type wire struct {
	addr   string // HOST:PORT
	server *http.Server
	proxy  *httputil.ReverseProxy

	mu       sync.Mutex
	limit    *rate.Limiter // nil: none
	requests int
	uploaded int64 // bytes of blobs that clients sent, also those lost or sent again
	cut      *cut  // to come
}

// cut is where a wire is cut: the connection ends without an answer.
type cut struct {
	after int64 // bytes of blobs
	// between: not in the middle of a request, but at the beginning of the
	// first one after those bytes.
	between bool
}

var errCut = errors.New("the wire was cut")

// newWire lays a wire to the registry at host.
func newWire(host string) (*wire, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	w := &wire{addr: l.Addr().String()}
	to := &url.URL{Scheme: "http", Host: host}
	quiet := log.New(io.Discard, "", 0)
	w.proxy = &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(to)
			p.Out.Host = p.In.Host // registries name their uploads after it
		},
		Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true, WriteBufferSize: piece},
		ErrorLog:  quiet,
		// What arrived before a cut has been passed on; the registry sees its
		// request break off, and the client its connection.
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	w.server = &http.Server{Handler: w, ErrorLog: quiet}
	go func() { _ = w.server.Serve(l) }()
	return w, nil
}

func (w *wire) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	upload := strings.Contains(r.URL.Path, "/blobs/uploads/")
	w.mu.Lock()
	w.requests++
	cutNow := upload && r.ContentLength != 0 && w.cut != nil && w.cut.between && w.uploaded >= w.cut.after
	if cutNow {
		w.cut = nil
	}
	w.mu.Unlock()
	if cutNow {
		panic(http.ErrAbortHandler)
	}
	if upload && r.ContentLength != 0 {
		r.Body = &load{w: w, ctx: r.Context(), ReadCloser: r.Body}
	}
	w.proxy.ServeHTTP(rw, r)
}

// load is a body on the wire.
type load struct {
	io.ReadCloser
	w   *wire
	ctx context.Context
}

func (l *load) Read(p []byte) (int, error) {
	n, err := l.ReadCloser.Read(p[:min(len(p), piece)])
	n, limit, bad := l.w.count(n)
	if bad != nil {
		return n, bad
	}
	if limit != nil && n > 0 {
		if err := limit.WaitN(l.ctx, n); err != nil {
			return n, err
		}
	}
	return n, err
}

// count counts n bytes, and says how many of them got through.
func (w *wire) count(n int) (int, *rate.Limiter, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cut != nil && !w.cut.between && w.uploaded+int64(n) >= w.cut.after {
		n = int(w.cut.after - w.uploaded)
		w.uploaded = w.cut.after
		w.cut = nil
		return n, nil, errCut
	}
	w.uploaded += int64(n)
	return n, w.limit, nil
}

// setRate limits the wire to MB a second, 0 for no limit.
func (w *wire) setRate(mb int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.limit = nil
	if mb > 0 {
		w.limit = rate.NewLimiter(rate.Limit(mb*1e6), piece)
	}
}

// clear begins to count from nothing, with a cut to come or none.
func (w *wire) clear(c *cut) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.requests, w.uploaded, w.cut = 0, 0, c
}

// counted returns what went over the wire since clear, and whether the cut has
// happened or there was none.
func (w *wire) counted() (requests int, uploaded int64, done bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.requests, w.uploaded, w.cut == nil
}

func (w *wire) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if w.server.Shutdown(ctx) != nil {
		w.server.Close()
	}
}
