package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"golang.org/x/sync/errgroup"

	"github.com/imgbuild/imgbuild/pkg/progress"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// parallel is how many blobs of one image come at once.
const parallel = 3

// puller brings manifests and blobs into the store.
type puller struct {
	options
	store  *store.Store
	remote *remote.Puller
	gone   string // what to do where the registry does not have it
}

func newPuller(st *store.Store, opts []Option) (*puller, error) {
	o, err := makeOptions(opts)
	if err != nil {
		return nil, err
	}
	p := &puller{options: o, store: st, gone: "name a newer base in the definition and run `imgbuild lock --update`"}
	p.remote, err = p.connect()
	return p, err
}

// connect makes the library's puller, which asks a registry once how it wants
// to be spoken to and remembers the answer, even where that is an error.
func (p *puller) connect() (*remote.Puller, error) {
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
	if p.offline {
		return nil, offlineError(ref)
	}
	var b []byte
	err = p.retry(ctx, func(ctx context.Context, remote *remote.Puller, _ func()) error {
		d, err := remote.Get(ctx, ref)
		if err == nil {
			b = d.Manifest
		}
		return err
	})
	if err != nil {
		return nil, p.explain(ref, err)
	}
	return b, p.put(b, h)
}

// small reads a manifest or config from the store.
func (p *puller) small(h v1.Hash) ([]byte, error) {
	f, err := p.store.Stream(h)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(&limited{ReadCloser: f, left: maxManifest, err: errManifestTooBig})
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
		if size, ok := p.store.Has(d.Digest); ok && size == d.Size {
			continue
		}
		ref := repo.Digest(d.Digest.String())
		if p.offline {
			return offlineError(ref)
		}
		g.Go(func() error {
			step := progress.Start(ctx, "pull "+ref.Name(), d.Size)
			err := p.retry(ctx, func(ctx context.Context, remote *remote.Puller, alive func()) error {
				return p.blob(ctx, remote, ref, d, func(n int64) { alive(); step.Add(n) })
			})
			step.Done(err)
			if err != nil {
				return p.explain(ref, err)
			}
			return nil
		})
	}
	return g.Wait()
}

// blob makes one try to download a blob.
func (p *puller) blob(ctx context.Context, remote *remote.Puller, ref name.Digest, d v1.Descriptor, count func(int64)) error {
	l, err := remote.Layer(ctx, ref)
	if err != nil {
		return err
	}
	r, err := l.Compressed()
	if err != nil {
		return err
	}
	defer r.Close()
	w, err := p.store.Create()
	if err != nil {
		return err
	}
	defer w.Discard()
	tooBig := fmt.Errorf("the registry sends more than the %d bytes that the manifest states", d.Size)
	n, err := io.Copy(w, &counting{r: &limited{ReadCloser: r, left: d.Size, err: tooBig}, count: count})
	if err == nil && n != d.Size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		count(-n) // for the progress of the next try
		return err
	}
	_, err = w.Commit(d.Digest)
	return err
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

// retry tries several times, again with a new connection to the registry. Each
// try is given a context that ends when alive was not called for too long.
func (p *puller) retry(ctx context.Context, try func(ctx context.Context, remote *remote.Puller, alive func()) error) error {
	pause, remote := p.pause, p.remote
	for n := 1; ; n++ {
		err := func() error {
			ctx, cancel := context.WithCancelCause(ctx)
			defer cancel(nil)
			timer := time.AfterFunc(p.stall, func() { cancel(errStalled) })
			defer timer.Stop()
			err := try(ctx, remote, func() { timer.Reset(p.stall) })
			if err != nil && context.Cause(ctx) != nil {
				return context.Cause(ctx)
			}
			return err
		}()
		if err == nil || ctx.Err() != nil || n >= p.tries || final(err) {
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
	var t *transport.Error
	return errors.As(err, &t) && t.StatusCode >= 400 && t.StatusCode < 500 &&
		t.StatusCode != http.StatusTooManyRequests && t.StatusCode != http.StatusRequestTimeout
}

type counting struct {
	r     io.Reader
	count func(int64)
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.count(int64(n))
	return n, err
}
