package fetch

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

type options struct {
	offline   bool
	jobs      int
	maxSize   int64
	stall     time.Duration
	tries     int
	backoff   time.Duration
	transport http.RoundTripper
}

// Option changes how a Fetcher works.
type Option func(*options) error

func makeOptions(opts []Option) (options, error) {
	o := options{
		jobs:    8,
		maxSize: 2 << 30,
		stall:   30 * time.Second,
		tries:   5,
		backoff: 500 * time.Millisecond,
	}
	for _, opt := range opts {
		if err := opt(&o); err != nil {
			return options{}, fmt.Errorf("fetch options: %w", err)
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

// Jobs sets how many downloads run at once, 8 unless set.
func Jobs(n int) Option {
	return func(o *options) error {
		if n < 1 {
			return fmt.Errorf("%d downloads at once: at least 1", n)
		}
		o.jobs = n
		return nil
	}
}

// MaxSize sets the size in bytes that a file whose size is not known may have,
// 2 GiB unless set.
func MaxSize(n int64) Option {
	return func(o *options) error {
		if n < 1 {
			return fmt.Errorf("a size limit of %d bytes", n)
		}
		o.maxSize = n
		return nil
	}
}

// Stall sets how long a mirror may send nothing before it is asked again, 30
// seconds unless set.
func Stall(d time.Duration) Option {
	return func(o *options) error {
		if d <= 0 {
			return fmt.Errorf("a stall of %s", d)
		}
		o.stall = d
		return nil
	}
}

// Tries sets how often a mirror is asked for a file with no byte gained, 5
// times unless set, and the pause after the first, half a second unless set;
// it doubles each time.
func Tries(n int, pause time.Duration) Option {
	return func(o *options) error {
		if n < 1 || pause <= 0 {
			return fmt.Errorf("%d tries with pauses from %s", n, pause)
		}
		o.tries, o.backoff = n, pause
		return nil
	}
}

// Transport sets what carries the requests in place of a transport with the
// environment's proxy.
func Transport(rt http.RoundTripper) Option {
	return func(o *options) error {
		if rt == nil {
			return errors.New("no transport")
		}
		o.transport = rt
		return nil
	}
}
