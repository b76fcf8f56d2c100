package push

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/imgbuild/imgbuild/pkg/address"
)

type request struct {
	method string
	path   string   // from the host's root, or
	url    *url.URL // where the registry said to go
	query  url.Values
	scopes []string
	header http.Header
	open   func() (io.ReadCloser, error) // the body, from its beginning; nil: none
	size   int64                         // of the body in bytes
	read   func(n int)                   // told of each piece of the body that was read
	ok     []int
	limit  int64         // of the answer in bytes
	small  bool          // it may have the slot that blobs do not get
	extra  time.Duration // patience beyond the usual, for work the registry does at the end
}

type response struct {
	status int
	url    *url.URL // after redirects
	header http.Header
	body   []byte
}

// do sends one request in a slot of the host, with credentials.
func (h *host) do(ctx context.Context, rq *request) (*response, error) {
	release, err := h.slot(ctx, rq.small)
	if err != nil {
		return nil, err
	}
	defer release()
	if !h.known.Load() {
		h.first.Lock()
		if h.known.Load() {
			h.first.Unlock()
		} else {
			defer h.first.Unlock()
		}
	}
	res, err := h.authorized(ctx, rq)
	var e *Error
	if err == nil || errors.As(err, &e) {
		h.known.Store(true)
	}
	switch {
	case e == nil:
		h.pace.taken()
	case e.Status == http.StatusTooManyRequests:
		h.pace.tooMany(time.Now())
	}
	if e != nil && e.RetryAfter > 0 {
		h.pause(ctx, e)
	}
	return res, err
}

func (h *host) authorized(ctx context.Context, rq *request) (*response, error) {
	header, err := h.auth.header(ctx, rq.scopes)
	if err != nil {
		return nil, err
	}
	res, err := h.send(ctx, rq, header)
	var e *Error
	if !errors.As(err, &e) {
		return res, err
	}
	if e.tlsWanted() && !h.known.Load() && address.Loopback(h.name) && h.https.CompareAndSwap(false, true) {
		// Perhaps a registry on loopback that has a certificate.
		res, terr := h.authorized(ctx, rq)
		if _, ok := errors.AsType[tls.RecordHeaderError](terr); ok || errors.Is(terr, http.ErrSchemeMismatch) {
			h.https.Store(false)
			return nil, err
		}
		return res, terr
	}
	// A token may end between its issue and its use, more than once where
	// several requests share it; another answer after a new token stays.
	for range tokenTries {
		if e.Status != http.StatusUnauthorized {
			return nil, err
		}
		if header, err = h.auth.challenged(ctx, e, rq.scopes, header); err != nil {
			return nil, err
		}
		if res, err = h.send(ctx, rq, header); !errors.As(err, &e) || !e.invalidToken() {
			return res, err
		}
	}
	return res, err
}

// tokenTries is how many new tokens a request gets.
const tokenTries = 4

// send sends one request once.
func (h *host) send(ctx context.Context, rq *request, authorization string) (*response, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	u := rq.url
	if u == nil {
		u = h.url(rq.path)
		u.RawQuery = rq.query.Encode()
	}
	stalled := &stalledError{where: plainURL(u), patience: h.o.patience + rq.extra}
	dog := newWatchdog(stalled.patience, func() { cancel(stalled) })
	defer dog.stop()

	req, err := http.NewRequestWithContext(ctx, rq.method, u.String(), nil)
	if err != nil {
		return nil, errors.New("the registry gave a location that is not a URL")
	}
	for k, v := range rq.header {
		req.Header[k] = v
	}
	req.Header.Set("User-Agent", h.o.userAgent)
	if authorization != "" && h.owns(u) {
		req.Header.Set("Authorization", authorization)
	}
	src := &source{}
	if rq.open != nil {
		get := func() (io.ReadCloser, error) {
			rc, err := rq.open()
			if err != nil {
				src.fail(err)
				return nil, err
			}
			return &body{rc: rc, src: src, read: func(n int) { dog.kick(); rq.progress(n) }}, nil
		}
		if req.Body, err = get(); err != nil {
			return nil, src.err()
		}
		// HTTP/2 sends a body again where the server refused the stream.
		req.GetBody = get
		req.ContentLength = rq.size
		if rq.size == 0 {
			req.Body.Close()
			req.Body = http.NoBody
		}
	}

	res, err := h.client.Do(req)
	if err != nil {
		return nil, h.sendError(ctx, src, u, err)
	}
	defer res.Body.Close()
	dog.kick()
	limit := max(rq.limit, 64<<10)
	b, err := io.ReadAll(io.LimitReader(&kicking{res.Body, dog}, limit+1))
	if err != nil {
		return nil, h.sendError(ctx, src, u, err)
	}
	wanted := slices.Contains(rq.ok, res.StatusCode)
	if int64(len(b)) > limit && wanted {
		return nil, fmt.Errorf("%s answers more than %d bytes, which is more than belongs there", plainURL(u), limit)
	}
	if !wanted {
		return nil, newError(rq.method, u, res, b)
	}
	return &response{status: res.StatusCode, url: res.Request.URL, header: res.Header, body: b}, nil
}

func (rq *request) progress(n int) {
	if rq.read != nil {
		rq.read(n)
	}
}

// sendError is the reason a request got no answer, without what the URL's
// query holds.
func (h *host) sendError(ctx context.Context, src *source, u *url.URL, err error) error {
	if e := src.err(); e != nil {
		return e
	}
	var stalled *stalledError
	if cause := context.Cause(ctx); errors.As(cause, &stalled) {
		return stalled
	} else if cause != nil {
		return cause
	}
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err
	}
	return &unreachableError{where: plainURL(u), err: err, met: h.known.Load()}
}
