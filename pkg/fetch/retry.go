package fetch

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/imgbuild/imgbuild/pkg/mirror"
)

const (
	maxPause = 15 * time.Second
	// maxRetryAfter is how long a pause is waited for; a mirror that asks for
	// more is one that refuses.
	maxRetryAfter = 2 * time.Minute
	// maxFruitful bounds how often a mirror that gives some bytes and then
	// drops is asked, as a multiple of the fruitless tries.
	maxFruitful = 20
)

// statusError is an answer other than the file.
type statusError struct {
	code       int
	status     string
	retryAfter time.Duration
}

func (e *statusError) Error() string {
	if e.retryAfter > maxRetryAfter {
		return fmt.Sprintf("the mirror answered %s and asks to be left alone for %s", e.status, e.retryAfter.Round(time.Second))
	}
	switch e.code {
	case http.StatusUnauthorized, http.StatusProxyAuthRequired:
		return "the mirror answered " + e.status + ": no credentials, or wrong ones"
	}
	return "the mirror answered " + e.status
}

// notThere: a Go proxy answers 403 for a version it does not carry.
func (e *statusError) notThere() bool {
	return e.code == http.StatusForbidden || e.code == http.StatusNotFound || e.code == http.StatusGone
}

func newStatusError(resp *http.Response) *statusError {
	return &statusError{
		code:       resp.StatusCode,
		status:     fmt.Sprintf("%d %s", resp.StatusCode, http.StatusText(resp.StatusCode)),
		retryAfter: parseRetryAfter(resp.Header.Get("Retry-After"), time.Now()),
	}
}

// parseRetryAfter reads RFC 9110 section 10.2.3: seconds or a date.
func parseRetryAfter(v string, now time.Time) time.Duration {
	var d time.Duration
	if s, err := strconv.ParseUint(strings.TrimSpace(v), 10, 31); err == nil {
		d = time.Duration(s) * time.Second
	} else if t, err := http.ParseTime(v); err == nil {
		d = t.Sub(now)
	}
	return max(d, 0)
}

// retryable says whether asking the same URL again may help.
func retryable(err error) bool {
	var (
		status *statusError
		refuse refusal
		cert   *tls.CertificateVerificationError
		dns    *net.DNSError
	)
	switch {
	case errors.As(err, &status):
		if status.retryAfter > maxRetryAfter {
			return false
		}
		return status.code == http.StatusRequestTimeout || status.code == http.StatusTooManyRequests || status.code >= 500
	case errors.As(err, &refuse), errors.As(err, &cert):
		return false
	case errors.As(err, &dns):
		return !dns.IsNotFound
	case errors.Is(err, context.Canceled):
		return false
	}
	return true
}

// retry calls try until it succeeds, fails for good or has failed too often.
// try says whether it gained anything: then it gets its tries back. All
// requests to a host wait while that host asks for a pause.
func (f *Fetcher) retry(ctx context.Context, base mirror.Base, url string, log func(string), try func() (gained bool, err error)) error {
	pauses := backoff.NewExponentialBackOff()
	pauses.InitialInterval = f.options.backoff
	pauses.Multiplier = 2
	pauses.MaxInterval = max(maxPause, f.options.backoff)
	a := &attempts{url: mirror.Redact(url), from: base.From}
	start, fruitless := time.Now(), 0
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		if err := f.hosts.wait(ctx, base.URL); err != nil {
			return struct{}{}, backoff.Permanent(err)
		}
		a.tries++
		gained, err := try()
		if err == nil {
			return struct{}{}, nil
		}
		if fruitless++; gained {
			fruitless = 0
			pauses.Reset()
		}
		var status *statusError
		if errors.As(err, &status) && retryable(err) {
			f.hosts.pause(base.URL, status.retryAfter)
		}
		if ctx.Err() != nil || !retryable(err) || fruitless >= f.options.tries {
			return struct{}{}, backoff.Permanent(err)
		}
		log(fmt.Sprintf("%s: %v; trying again", a.url, err))
		return struct{}{}, err
	}, backoff.WithBackOff(pauses), backoff.WithMaxTries(uint(f.options.tries*maxFruitful)), backoff.WithMaxElapsedTime(0))
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if errors.Is(err, errLocal) {
		return err // the URL is not to blame
	}
	a.err, a.took = err, time.Since(start)
	return a
}
