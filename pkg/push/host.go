package push

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/address"
	"github.com/imgbuild/imgbuild/pkg/progress"
)

// host is one registry: its connections, its slots, its credentials, and the
// time before which it wants to hear nothing.
type host struct {
	name   string
	o      *options
	client *http.Client
	slots  chan struct{}
	extra  chan struct{} // one more, for what is small and waited for
	// uploads is for blobs that are being sent, each over many requests.
	uploads chan struct{}
	pace    pace
	auth    *auth
	https   atomic.Bool
	whole   atomic.Bool // it takes blobs in one piece only

	first sync.Mutex  // the first request goes alone: it learns how to ask
	known atomic.Bool // that the first request was answered

	mu        sync.Mutex
	notBefore time.Time
	asked     *Error // the answer that asked for it

	// readBack has PATH@DIGEST of manifests that were sent and compared, so
	// that who pushes content first and tags later asks for neither again.
	readBack sync.Map
}

func (h *host) wasReadBack(path string, digest v1.Hash) bool {
	_, ok := h.readBack.Load(path + "@" + digest.String())
	return ok
}

func newHost(name string, o *options) *host {
	h := &host{name: name, o: o, slots: make(chan struct{}, o.slots), extra: make(chan struct{}, 1), uploads: make(chan struct{}, o.slots)}
	h.https.Store(address.Scheme(name) == "https")
	h.client = &http.Client{Transport: o.transport, CheckRedirect: checkRedirect}
	h.auth = newAuth(h)
	return h
}

func (h *host) scheme() string {
	if h.https.Load() {
		return "https"
	}
	return "http"
}

func (h *host) url(path string) *url.URL {
	return &url.URL{Scheme: h.scheme(), Host: h.name, Path: path}
}

// owns says that requests to u carry the registry's credentials.
func (h *host) owns(u *url.URL) bool {
	return u.Scheme == h.scheme() && strings.EqualFold(withPort(u.Scheme, u.Host), withPort(u.Scheme, h.name))
}

func withPort(scheme, host string) string {
	port := ":443"
	if scheme == "http" {
		port = ":80"
	}
	if strings.HasSuffix(host, "]") || !strings.Contains(host[strings.LastIndex(host, "]")+1:], ":") {
		return host + port
	}
	return host
}

// checkRedirect follows what http.Client would, but never from HTTPS to HTTP.
func checkRedirect(req *http.Request, via []*http.Request) error {
	if via[0].URL.Scheme == "https" && req.URL.Scheme != "https" {
		return errors.New("the registry redirects from HTTPS to HTTP, which is refused")
	}
	if len(via) >= 5 {
		return errors.New("stopped after 5 redirects")
	}
	return nil
}

// slot waits for a free slot, for the end of a pause, and for its turn in the
// host's pace. Manifests have a slot that blobs do not get, so that a finished
// image does not wait for another one's layers.
func (h *host) slot(ctx context.Context, small bool) (release func(), err error) {
	extra := h.extra
	if !small {
		extra = nil
	}
	select {
	case h.slots <- struct{}{}:
		release = func() { <-h.slots }
	case extra <- struct{}{}:
		release = func() { <-h.extra }
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if err := h.wait(ctx); err != nil {
		release()
		return nil, err
	}
	return release, nil
}

// wait waits for the end of a pause and for the request's turn. Where the host
// wants to hear nothing for longer than anybody waits, its answer to the last
// request is the answer to this one too.
func (h *host) wait(ctx context.Context) error {
	for turn := h.pace.start(time.Now()); ; turn = 0 {
		h.mu.Lock()
		left, asked := time.Until(h.notBefore), h.asked
		h.mu.Unlock()
		if left > h.o.giveUp {
			return asked
		}
		wait := max(turn, left)
		if wait <= 0 {
			return nil
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// shownPause is from which length on people are told of a pause.
const shownPause = 3 * time.Second

// pause holds all requests to the host back, as a Retry-After asks for.
func (h *host) pause(ctx context.Context, e *Error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	more := e.RetryAfter - max(0, time.Until(h.notBefore))
	if more <= 0 {
		return
	}
	h.notBefore, h.asked = time.Now().Add(e.RetryAfter), e
	if more >= shownPause && e.RetryAfter <= h.o.giveUp {
		step := progress.Start(ctx, fmt.Sprintf("wait %s, as %s asks", e.RetryAfter.Round(time.Second), h.name), 0)
		go func() { step.Done(sleep(ctx, e.RetryAfter)) }()
	}
}

// uploading waits until few enough blobs are on their way to the host. So those
// that have begun get to their end before others begin, a push that is cut off
// has few of them open, and few sources are open at a time.
func (h *host) uploading(ctx context.Context) (done func(), err error) {
	select {
	case h.uploads <- struct{}{}:
		return func() { <-h.uploads }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
