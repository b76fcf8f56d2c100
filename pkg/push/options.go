package push

import (
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
)

// Option sets one thing about a Pusher.
type Option func(*options) error

type options struct {
	keychain  authn.Keychain
	logins    Logins
	memory    Memory
	transport http.RoundTripper
	slots     int
	chunk     int64
	tries     uint
	patience  time.Duration // without any progress, of one request
	giveUp    time.Duration // of one operation with its retries
	userAgent string
}

func newOptions(opts []Option) (*options, error) {
	o := &options{
		keychain:  authn.DefaultKeychain,
		logins:    noLogins{},
		memory:    noMemory{},
		slots:     6,
		chunk:     64 << 20,
		tries:     10,
		patience:  time.Minute,
		giveUp:    10 * time.Minute,
		userAgent: "imgbuild",
	}
	for _, opt := range opts {
		if err := opt(o); err != nil {
			return nil, err
		}
	}
	if o.transport == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.MaxIdleConnsPerHost = o.slots + 1 // and the one for manifests
		t.MaxIdleConns = 0                  // however many registries there are
		t.DialContext = (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext
		// A blob goes through as large pieces as one read of its source gives.
		t.WriteBufferSize = 64 << 10
		o.transport = t
	}
	return o, nil
}

// WithKeychain sets where credentials come from. The default is the docker
// configuration with its credential helpers.
func WithKeychain(k authn.Keychain) Option {
	return func(o *options) error {
		if k == nil {
			return errors.New("push: no keychain")
		}
		o.keychain = k
		return nil
	}
}

// WithMemory sets what remembers across runs where blobs are, so that they
// can be mounted. The default remembers within the Pusher only.
func WithMemory(m Memory) Option {
	return func(o *options) error {
		if m == nil {
			return errors.New("push: no memory")
		}
		o.memory = m
		return nil
	}
}

// WithTransport sets what carries requests, such as one that trusts a
// certificate authority of one's own.
func WithTransport(t http.RoundTripper) Option {
	return func(o *options) error {
		if t == nil {
			return errors.New("push: no transport")
		}
		o.transport = t
		return nil
	}
}

// WithSlots sets how many requests one host gets at a time.
func WithSlots(n int) Option {
	return func(o *options) error {
		if n < 1 {
			return errors.New("push: a host needs at least one slot")
		}
		o.slots = n
		return nil
	}
}

// WithChunk sets how many bytes of a blob go in one request. What a registry
// has answered for is not sent again. The default is 64 MiB.
func WithChunk(bytes int64) Option {
	return func(o *options) error {
		if bytes < 64<<10 {
			return errors.New("push: a chunk has 64 KiB at least")
		}
		o.chunk = bytes
		return nil
	}
}

// inChunks says that a blob of that many bytes has more than one chunk; after
// each but the last a registry holds what it has for good. A single one goes in
// the closing PUT.
func (o *options) inChunks(size int64) bool { return size > max(o.chunk, wholePut) }

// WithPatience sets how long a request may go without sending or receiving
// anything. There is no limit on how long one may take in all.
func WithPatience(d time.Duration) Option {
	return func(o *options) error {
		if d <= 0 {
			return errors.New("push: patience must be more than nothing")
		}
		o.patience = d
		return nil
	}
}

// WithTries sets how often an operation is tried in all.
func WithTries(n uint) Option {
	return func(o *options) error {
		if n < 1 {
			return errors.New("push: an operation must be tried once at least")
		}
		o.tries = n
		return nil
	}
}
