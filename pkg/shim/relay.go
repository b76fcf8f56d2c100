package shim

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/imgbuild/imgbuild/pkg/shim/discovery"
)

// relay carries requests from listeners to the program. It is all that the
// rest of the shim knows of HTTP.
type relay interface {
	// serve answers on l until shutdown. The error is why it had to stop.
	serve(l net.Listener) error
	// shutdown closes all listeners and waits until every request, upgraded
	// connections included, has been answered or ctx ends; what is left then
	// is cut off.
	shutdown(ctx context.Context)
}

// inflight counts requests and tells when there are none.
type inflight struct {
	mu   sync.Mutex
	n    int
	idle chan struct{} // closed when n falls to 0; nil while nobody waits
}

func (f *inflight) add() {
	f.mu.Lock()
	f.n++
	f.mu.Unlock()
}

func (f *inflight) done() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.n--; f.n == 0 && f.idle != nil {
		close(f.idle)
		f.idle = nil
	}
}

func (f *inflight) any() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.n > 0
}

func (f *inflight) wait(ctx context.Context) {
	f.mu.Lock()
	if f.n == 0 {
		f.mu.Unlock()
		return
	}
	if f.idle == nil {
		f.idle = make(chan struct{})
	}
	idle := f.idle
	f.mu.Unlock()
	select {
	case <-idle:
	case <-ctx.Done():
	}
}

// httpRelay is the relay on net/http.
type httpRelay struct {
	server   *http.Server
	inflight inflight
}

// newHTTPRelay relays to t and writes to j. Time-outs are off, as the platform
// asks (idle connections live over 15 minutes, requests up to 24 hours).
func newHTTPRelay(t *discovery.Target, j *journal) *httpRelay {
	r := &httpRelay{}
	forward := newForwarder(t)
	r.server = &http.Server{
		ErrorLog: discardLog,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			r.inflight.add()
			defer r.inflight.done()
			id, kind := requestID(req), kindOf(req)
			req.Header.Set(headerRequestID, id)
			e := &exchange{id: id, kind: kind, client: req.Context()}
			j.begin(kind, id)
			// Also where the forwarder panics to cut off a broken answer.
			defer func() { j.end(kind, id, e.failed || !e.ended && req.Context().Err() == nil) }()
			forward.ServeHTTP(w, req.WithContext(context.WithValue(req.Context(), exchangeKey{}, e)))
			e.ended = true
		}),
	}
	return r
}

func (r *httpRelay) serve(l net.Listener) error {
	if err := r.server.Serve(l); err != http.ErrServerClosed {
		return err
	}
	return nil
}

func (r *httpRelay) shutdown(ctx context.Context) {
	closed := make(chan struct{})
	go func() { defer close(closed); _ = r.server.Shutdown(ctx) }()
	// Shutdown also waits 5 s for connections on which nothing was sent yet,
	// as platforms hold them open in stock, and not for upgraded ones.
	for calm := false; !calm && ctx.Err() == nil; {
		select {
		case <-closed:
			r.inflight.wait(ctx)
			calm = true
		case <-time.After(settleAnswers):
			calm = !r.inflight.any()
		case <-ctx.Done():
		}
	}
	r.server.Close()
}

// settleAnswers is the time given to an answer's last bytes, which net/http
// sends when the handler has returned, and to a request that is just coming in.
const settleAnswers = 100 * time.Millisecond

// exchange is one request on its way.
type exchange struct {
	id, kind string
	client   context.Context
	// failed: the program gave no answer, or one that says it failed.
	failed bool
	// ended: the answer was complete.
	ended bool
}

type exchangeKey struct{}

func exchangeOf(r *http.Request) *exchange {
	e, _ := r.Context().Value(exchangeKey{}).(*exchange)
	return e
}
