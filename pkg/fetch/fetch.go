// Package fetch brings files of package archives into the store: in parallel,
// resumed where a connection drops or the program was killed, retried with
// backoff, limited in size, hashed as they stream, from the first mirror that
// has the right bytes.
package fetch

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/mirror"
	"github.com/imgbuild/imgbuild/pkg/progress"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// Fetcher fetches files. It is safe for concurrent use.
type Fetcher struct {
	store   *store.Store
	mirrors *mirror.Mirrors
	options options
	client  *http.Client
	slots   chan struct{} // one a download that runs
	hosts   hosts
}

// New returns a Fetcher that fetches from m into st.
func New(st *store.Store, m *mirror.Mirrors, opts ...Option) (*Fetcher, error) {
	o, err := makeOptions(opts)
	if err != nil {
		return nil, err
	}
	return &Fetcher{
		store:   st,
		mirrors: m,
		options: o,
		client:  newClient(o),
		slots:   make(chan struct{}, o.jobs),
	}, nil
}

// Offline says that the Fetcher opens no connection.
func (f *Fetcher) Offline() bool { return f.options.offline }

// Fetch brings one file into the store and returns its hash, under which it
// then is there. A file that is there already, with the lock's hash and size,
// costs no network: its content is verified by whoever reads it
// (store.Stream). Where in.SHA256 is empty the file is always downloaded anew
// and the hash is what came; where in.Size is 0 any size up to the limit of
// MaxSize will do.
//
// Errors: *NotFoundError where no mirror has the file, *OfflineError where
// the network is needed and forbidden.
func (f *Fetcher) Fetch(ctx context.Context, in lock.Input) (_ v1.Hash, err error) {
	step := progress.Start(ctx, fmt.Sprintf("fetch %s %s", in.Name, in.Version), in.Size)
	defer func() { step.Done(err) }()
	want, err := wanted(in)
	if err != nil {
		return v1.Hash{}, fmt.Errorf("fetching %s %s: %w", in.Name, in.Version, err)
	}
	if f.stored(in, want) {
		step.Cached()
		return want, nil
	}
	if f.options.offline {
		return v1.Hash{}, &OfflineError{Input: in, Archive: in.Archive, Path: in.Path}
	}
	h, err := f.download(ctx, in, want, step)
	if err != nil {
		return v1.Hash{}, fmt.Errorf("fetching %s %s: %w", in.Name, in.Version, err)
	}
	return h, nil
}

// All fetches many files in parallel. The first error cancels the others and
// is returned; downloads that were under way are resumed the next time.
func (f *Fetcher) All(ctx context.Context, ins []lock.Input) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(f.options.jobs)
	for _, in := range ins {
		g.Go(func() error {
			_, err := f.Fetch(ctx, in)
			return err
		})
	}
	return g.Wait()
}

// wanted is the lock's hash of the file, the zero Hash if it has none.
func wanted(in lock.Input) (v1.Hash, error) {
	if in.Archive == "" {
		return v1.Hash{}, errors.New("it is not a file of an archive")
	}
	if in.SHA256 == "" {
		return v1.Hash{}, nil
	}
	h, err := v1.NewHash("sha256:" + in.SHA256)
	if err != nil {
		return v1.Hash{}, fmt.Errorf("%q is no SHA-256 in lower-case hex; the lock is damaged: run imgbuild lock --update", in.SHA256)
	}
	return h, nil
}

// stored says whether the file is in the store. One of another size than the
// lock's is damaged and removed.
func (f *Fetcher) stored(in lock.Input, want v1.Hash) bool {
	if want == (v1.Hash{}) {
		return false
	}
	size, ok := f.store.Has(want)
	if ok && in.Size != 0 && size != in.Size {
		f.store.Remove(want)
		return false
	}
	return ok
}
