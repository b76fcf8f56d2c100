package push

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// dialTries is how often a host is tried that takes no connections and never
// did: it may be starting, but most likely there is none.
const dialTries = 4

// triedError adds how long it was tried.
type triedError struct {
	err     error
	tries   uint
	elapsed time.Duration
}

func (e *triedError) Error() string {
	return fmt.Sprintf("%v (tried %d times in %s)", e.err, e.tries, e.elapsed.Round(100*time.Millisecond))
}
func (e *triedError) Unwrap() error { return e.err }

// retry runs op until it succeeds, fails for good, or has failed too often.
// Between tries it waits as the registry asks, else longer each time.
func retry[T any](ctx context.Context, o *options, op func() (T, error)) (T, error) {
	return retryWhile(ctx, o, func() int64 { return 0 }, op)
}

// retryWhile is retry for work that advances: while far says more than it did,
// neither the tries nor the time count.
func retryWhile[T any](ctx context.Context, o *options, far func() int64, op func() (T, error)) (T, error) {
	pauses := newPauses()
	start, tries, best := time.Now(), uint(0), far()
	for {
		tries++
		v, err := op()
		switch {
		case err == nil:
			return v, nil
		case ctx.Err() != nil:
			return v, context.Cause(ctx)
		}
		if at := far(); at > best {
			pauses = newPauses()
			start, tries, best = time.Now(), 1, at
		}
		pause := pauses.NextBackOff()
		if e, ok := errors.AsType[*Error](err); ok && e.RetryAfter > 0 {
			pause = e.RetryAfter
		}
		elapsed := time.Since(start)
		switch {
		case !temporary(err), notMet(err) && tries >= dialTries, tries >= o.tries, elapsed+pause > o.giveUp:
			if tries > 1 {
				err = &triedError{err: err, tries: tries, elapsed: elapsed}
			}
			return v, err
		}
		if err := sleep(ctx, pause); err != nil {
			return v, err
		}
	}
}

func newPauses() *backoff.ExponentialBackOff {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval = 200 * time.Millisecond
	b.Multiplier = 1.7
	b.MaxInterval = 20 * time.Second
	b.Reset()
	return b
}

// sleep waits, or returns the reason that the context ended.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// temporary says that trying again may help.
func temporary(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	if _, ok := errors.AsType[*sourceError](err); ok {
		return false
	}
	if _, ok := errors.AsType[*againError](err); ok {
		return true
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.temporary()
	}
	if _, ok := errors.AsType[*stalledError](err); ok {
		return true
	}
	if _, ok := errors.AsType[*unreachableError](err); !ok {
		return false
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return false
	}
	if e, ok := errors.AsType[*net.DNSError](err); ok && e.IsNotFound {
		return false
	}
	return !errors.Is(err, http.ErrSchemeMismatch)
}

// notMet says that a host takes no connection and never answered in this run.
func notMet(err error) bool {
	u, ok := errors.AsType[*unreachableError](err)
	if !ok || u.met {
		return false
	}
	e, ok := errors.AsType[*net.OpError](err)
	return ok && e.Op == "dial"
}

// hopeless says that the same would happen to every other request to the
// repository.
func hopeless(err error) bool {
	if err == nil || errors.Is(err, context.Canceled) {
		return false
	}
	if e, ok := errors.AsType[*Error](err); ok {
		if e.immutableTag() {
			return false // others are not
		}
		switch e.Status {
		case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusTooManyRequests:
			return true
		}
		return false
	}
	if _, ok := errors.AsType[*credentialsError](err); ok {
		return true
	}
	_, ok := errors.AsType[*unreachableError](err)
	return ok
}
