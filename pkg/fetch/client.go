package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/imgbuild/imgbuild/pkg/mirror"
)

const (
	connectDeadline = 10 * time.Second
	maxRedirects    = 10
)

func newClient(o options) *http.Client {
	c := &http.Client{CheckRedirect: checkRedirect, Transport: o.transport}
	if c.Transport == nil {
		t := &http.Transport{
			Proxy:                 proxy,
			DialContext:           (&net.Dialer{Timeout: connectDeadline, KeepAlive: 30 * time.Second}).DialContext,
			TLSHandshakeTimeout:   connectDeadline,
			ResponseHeaderTimeout: o.stall,
			ExpectContinueTimeout: time.Second,
			IdleConnTimeout:       90 * time.Second,
			MaxIdleConnsPerHost:   o.jobs,
			ForceAttemptHTTP2:     true,
		}
		// Mirrors on a disk, as apt and Go have them too.
		t.RegisterProtocol("file", http.NewFileTransport(http.Dir("/")))
		c.Transport = t
	}
	return c
}

// proxy is the environment's. The error for one that is not a URL would hold
// it, with its password.
func proxy(req *http.Request) (*url.URL, error) {
	u, err := http.ProxyFromEnvironment(req)
	if err != nil {
		return nil, refusal{errors.New("HTTP_PROXY or HTTPS_PROXY is not a URL")}
	}
	return u, nil
}

// checkRedirect follows mirrors that keep their files elsewhere, but never
// from the network to this machine's disk, nor out of TLS.
func checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) >= maxRedirects {
		return refusal{fmt.Errorf("redirected more than %d times", maxRedirects)}
	}
	from, to := via[len(via)-1].URL.Scheme, req.URL.Scheme
	if to != "https" && to != from || to == "file" {
		return refusal{fmt.Errorf("refusing a redirect from %s to %s", from, mirror.Redact(req.URL.String()))}
	}
	return nil
}

// refusal is an error of ours that trying again does not change.
type refusal struct{ error }

func (r refusal) Unwrap() error { return r.error }

var errStalled = errors.New("the mirror sent nothing")

// watched is a response whose body must keep coming: each stretch of the
// stall time without a byte ends the request.
type watched struct {
	*http.Response
	cancel context.CancelCauseFunc
	timer  *time.Timer
	stall  time.Duration
	ctx    context.Context
}

// do sends a request for a file of base. Whoever gets the response closes it.
func (f *Fetcher) do(ctx context.Context, base mirror.Base, method, target string, header http.Header) (*watched, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	req, err := http.NewRequestWithContext(ctx, method, target, nil)
	if err != nil {
		cancel(nil)
		return nil, refusal{errors.New("malformed URL")}
	}
	if header != nil {
		req.Header = header
	}
	req.Header.Set("User-Agent", "imgbuild")
	base.Authorize(req)
	w := &watched{cancel: cancel, stall: f.options.stall, ctx: ctx}
	stalled := fmt.Errorf("%w for %s", errStalled, w.stall)
	// Headers get the time to connect on top of the time to answer.
	w.timer = time.AfterFunc(w.stall+2*connectDeadline, func() { cancel(stalled) })
	w.Response, err = f.client.Do(req)
	if err != nil {
		w.timer.Stop()
		err = w.cause(err)
		cancel(nil)
		return nil, err
	}
	w.timer.Stop()
	w.timer = time.AfterFunc(w.stall, func() { cancel(stalled) })
	return w, nil
}

// Read reads the body.
func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Body.Read(p)
	if n > 0 {
		w.timer.Reset(w.stall)
	}
	if err != nil && err != io.EOF {
		err = w.cause(err)
	}
	return n, err
}

// Close ends the request, whether the body was read or not.
func (w *watched) Close() {
	w.timer.Stop()
	w.Body.Close()
	w.cancel(nil)
}

// cause is why a request failed, without the URL, which whoever reports the
// error adds, redacted: a redirect's URL can hold a token.
func (w *watched) cause(err error) error {
	if c := context.Cause(w.ctx); c != nil {
		return c
	}
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
