// Package image is existing images as inputs: a base of a company's own, named
// by digest, whose layers become the lower layers of an image as they are.
//
// A digest names the bytes, so that nobody else has to vouch for them: the
// definition that holds it does. Facts are from the OCI image and distribution
// specifications, version 1.1.
package image

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

type options struct {
	offline   bool
	keychain  authn.Keychain
	transport http.RoundTripper
	stall     time.Duration
	tries     int
	pause     time.Duration
	fallback  Fallback
}

// Fallback brings a blob that its registry does not give, for the reason err,
// into the store, or says why not: err and its own reason. size is in bytes,
// 0 where it is not known.
type Fallback func(ctx context.Context, h v1.Hash, size int64, err error) error

// Option changes how images are pulled.
type Option func(*options) error

func makeOptions(opts []Option) (options, error) {
	o := options{
		keychain:  authn.DefaultKeychain,
		transport: remote.DefaultTransport,
		stall:     time.Minute,
		tries:     4,
		pause:     time.Second,
	}
	for _, opt := range opts {
		if err := opt(&o); err != nil {
			return options{}, fmt.Errorf("image options: %w", err)
		}
	}
	return o, nil
}

// Offline forbids the network: what is not in the store is an error.
func Offline() Option {
	return func(o *options) error {
		o.offline = true
		return nil
	}
}

// Keychain sets where credentials come from in place of docker's configuration.
func Keychain(k authn.Keychain) Option {
	return func(o *options) error {
		if k == nil {
			return errors.New("no keychain")
		}
		o.keychain = k
		return nil
	}
}

// Transport sets what carries the requests.
func Transport(rt http.RoundTripper) Option {
	return func(o *options) error {
		if rt == nil {
			return errors.New("no transport")
		}
		o.transport = rt
		return nil
	}
}

// Patience sets for how long a registry may send nothing (a minute unless set),
// how often a file is asked for (4 times), and the pause after the first try (a
// second); it doubles each time.
func Patience(stall time.Duration, tries int, pause time.Duration) Option {
	return func(o *options) error {
		if stall <= 0 || tries < 1 || pause <= 0 {
			return fmt.Errorf("a stall of %s, %d tries, pauses from %s", stall, tries, pause)
		}
		o.stall, o.tries, o.pause = stall, tries, pause
		return nil
	}
}

// FallBack sets who is asked for blobs that a registry does not give, or all of
// those that the store lacks when offline.
func FallBack(f Fallback) Option {
	return func(o *options) error {
		o.fallback = f
		return nil
	}
}
