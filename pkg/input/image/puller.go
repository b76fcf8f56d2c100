package image

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"golang.org/x/sync/errgroup"

	"github.com/imgbuild/imgbuild/pkg/store"
	"github.com/imgbuild/imgbuild/pkg/stream"
)

// parallel is how many blobs of one image come at once.
const parallel = 3

// puller brings manifests and blobs into the store.
type puller struct {
	options
	store   *store.Store
	remote  *connection
	clients clients
	gone    string // what to do where the registry does not have it
}

// connection asks for manifests. It asks a registry once how it wants to be
// spoken to and remembers the answer, even where that is an error.
type connection = remote.Puller

func newPuller(st *store.Store, opts []Option) (*puller, error) {
	o, err := makeOptions(opts)
	if err != nil {
		return nil, err
	}
	p := &puller{options: o, store: st, gone: "name a newer base in the definition and run `imgbuild lock --update`"}
	p.remote, err = p.connect()
	return p, err
}

func (p *puller) connect() (*connection, error) {
	return remote.NewPuller(remote.WithAuthFromKeychain(p.keychain), remote.WithTransport(guarded{p.transport}),
		remote.WithRetryBackoff(remote.Backoff{Duration: p.pause, Factor: 2, Jitter: 0.1, Steps: 1}))
}

// manifest returns the bytes of a manifest or index, from the store if it is
// there. They have the digest of ref.
func (p *puller) manifest(ctx context.Context, ref name.Digest) ([]byte, error) {
	h, err := v1.NewHash(ref.DigestStr())
	if err != nil {
		return nil, err
	}
	if b, err := p.small(h); err == nil {
		return b, nil
	}
	b, err := p.ask(ctx, ref)
	if err == nil {
		return b, p.put(b, h)
	}
	if err := p.fallBack(ctx, h, 0, err); err != nil {
		return nil, err
	}
	return p.small(h)
}

// ask gets a manifest from the registry.
func (p *puller) ask(ctx context.Context, ref name.Digest) (b []byte, err error) {
	if p.offline {
		return nil, offlineError(ref)
	}
	err = p.retry(ctx, func(ctx context.Context, remote *connection, _ func()) error {
		d, err := remote.Get(ctx, ref)
		if err == nil {
			b = d.Manifest
		}
		return err
	})
	if err != nil {
		err = p.explain(ref, err)
	}
	return b, err
}

// small reads a manifest or config from the store.
func (p *puller) small(h v1.Hash) ([]byte, error) {
	f, err := p.store.Stream(h)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(stream.Limit(f, maxManifest, errManifestTooBig))
}

func (p *puller) put(b []byte, h v1.Hash) error {
	w, err := p.store.Create()
	if err != nil {
		return err
	}
	defer w.Discard()
	if _, err := w.Write(b); err != nil {
		return err
	}
	_, err = w.Commit(h)
	return err
}

// blobs brings what is missing into the store.
func (p *puller) blobs(ctx context.Context, repo name.Repository, ds []v1.Descriptor) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for _, d := range unique(ds) {
		if p.has(d) {
			continue
		}
		g.Go(func() error { return p.blob(ctx, repo.Digest(d.Digest.String()), d) })
	}
	return g.Wait()
}

// has says whether the blob is in the store.
func (p *puller) has(d v1.Descriptor) bool {
	size, ok := p.store.Has(d.Digest)
	return ok && size == d.Size
}

func (p *puller) blob(ctx context.Context, ref name.Digest, d v1.Descriptor) error {
	err := offlineError(ref)
	if !p.offline {
		err = p.pull(ctx, ref, d)
	}
	return p.fallBack(ctx, d.Digest, d.Size, err)
}

// fallBack asks the other place for what the registry does not give.
func (p *puller) fallBack(ctx context.Context, h v1.Hash, size int64, err error) error {
	if err == nil || p.fallback == nil || ctx.Err() != nil {
		return err
	}
	return p.fallback(ctx, h, size, err)
}

func unique(ds []v1.Descriptor) []v1.Descriptor {
	var out []v1.Descriptor
	for _, d := range ds {
		if !slices.ContainsFunc(out, func(o v1.Descriptor) bool { return o.Digest == d.Digest }) {
			out = append(out, d)
		}
	}
	return out
}

var errStalled = errors.New("the registry sent nothing for too long")

// maxFruitful bounds how often a registry that gives some bytes and then drops
// is asked, as a multiple of the fruitless tries.
const maxFruitful = 20

// retry tries several times, again with a new connection to the registry. Each
// try is given a context that ends when alive was not called for too long. One
// that has brought something does not count among the tries.
func (p *puller) retry(ctx context.Context, try func(ctx context.Context, remote *connection, alive func()) error) error {
	pause, remote, fruitless := p.pause, p.remote, 0
	for n := 1; ; n++ {
		gained := false
		err := func() error {
			ctx, cancel := context.WithCancelCause(ctx)
			defer cancel(nil)
			timer := time.AfterFunc(p.stall, func() { cancel(errStalled) })
			defer timer.Stop()
			err := try(ctx, remote, func() { timer.Reset(p.stall); gained = true })
			if err != nil && context.Cause(ctx) != nil {
				return context.Cause(ctx)
			}
			return err
		}()
		if fruitless++; gained {
			fruitless, pause = 0, p.pause
		}
		if err == nil || ctx.Err() != nil || fruitless >= p.tries || n >= p.tries*maxFruitful || final(err) {
			return err
		}
		select {
		case <-time.After(pause):
			pause *= 2
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if remote, err = p.connect(); err != nil {
			return err
		}
	}
}

// final says whether asking again is useless.
func final(err error) bool {
	if errors.As(err, new(fatal)) {
		return true
	}
	var t *transport.Error
	return errors.As(err, &t) && t.StatusCode >= 400 && t.StatusCode < 500 &&
		t.StatusCode != http.StatusTooManyRequests && t.StatusCode != http.StatusRequestTimeout
}
