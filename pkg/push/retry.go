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

// dialTries is how often a host that takes no connections is tried: it may be
// starting, but most likely there is none.
const dialTries = 4

// triedError adds how long it was tried.
type triedError struct {
	err     error
	tries   int
	elapsed time.Duration
}

func (e *triedError) Error() string {
	return fmt.Sprintf("%v (tried %d times in %s)", e.err, e.tries, e.elapsed.Round(100*time.Millisecond))
}
func (e *triedError) Unwrap() error { return e.err }

// retry runs op until it succeeds, fails for good, or has failed too often.
// Between tries it waits as the registry asks, else longer each time.
func retry[T any](ctx context.Context, o *options, op func() (T, error)) (T, error) {
	start, tries := time.Now(), 0
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval = 200 * time.Millisecond
	wait.Multiplier = 1.7
	wait.MaxInterval = 20 * time.Second
	v, err := backoff.Retry(ctx, func() (T, error) {
		tries++
		v, err := op()
		switch {
		case err == nil:
			return v, nil
		case ctx.Err() != nil:
			return v, backoff.Permanent(context.Cause(ctx))
		case !temporary(err), notDialled(err) && tries >= dialTries:
			return v, backoff.Permanent(err)
		}
		if e, ok := errors.AsType[*Error](err); ok && e.RetryAfter > 0 {
			err = errors.Join(err, &backoff.RetryAfterError{Duration: e.RetryAfter})
		}
		return v, err
	}, backoff.WithBackOff(wait), backoff.WithMaxTries(o.tries), backoff.WithMaxElapsedTime(o.giveUp))
	if err == nil {
		return v, nil
	}
	if j, ok := err.(interface{ Unwrap() []error }); ok {
		err = j.Unwrap()[0] // the registry's error without the wait it asked for
	}
	if tries > 1 && ctx.Err() == nil {
		err = &triedError{err: err, tries: tries, elapsed: time.Since(start)}
	}
	return v, err
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

func notDialled(err error) bool {
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
