package bundle

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"syscall"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/imgbuild/imgbuild/pkg/build"
	"github.com/imgbuild/imgbuild/pkg/fetch"
	"github.com/imgbuild/imgbuild/pkg/input/image"
	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/progress"
)

// Fetcher returns next, which falls back to the bundles, in their order, for
// what no mirror gives. A mirror that has failed otherwise than by not having a
// file is asked after the bundles from then on, for each file would be tried as
// long as the first one.
func Fetcher(next build.Fetcher, bundles ...*Bundle) build.Fetcher {
	if len(bundles) == 0 {
		return next
	}
	f := &fallback{next: next, bundles: bundles, down: map[string]bool{}}
	if o, ok := next.(interface{ Offline() bool }); ok {
		f.offline = o.Offline()
	}
	return f
}

// Images makes base images fall back to the bundles, too.
func Images(bundles ...*Bundle) image.Option {
	if len(bundles) == 0 {
		return image.FallBack(nil)
	}
	return image.FallBack(func(ctx context.Context, h v1.Hash, size int64, err error) error {
		if local(err) {
			return err
		}
		step := progress.Start(ctx, "take "+h.String(), size)
		from, err := takeFrom(ctx, bundles, h, size, err)
		if from != nil {
			step.Log("from the bundle " + from.String())
		}
		step.Done(err)
		return err
	})
}

type fallback struct {
	next    build.Fetcher
	bundles []*Bundle
	offline bool

	mu   sync.Mutex
	down map[string]bool // archives whose mirrors failed
}

// atOnce is how many files are fetched at once, as package fetch does.
const atOnce = 8

// All implements build.Fetcher.
func (f *fallback) All(ctx context.Context, ins []lock.Input) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for _, in := range ins {
		g.Go(func() error {
			_, err := f.Fetch(ctx, in)
			return err
		})
	}
	return g.Wait()
}

// Fetch implements build.Fetcher.
func (f *fallback) Fetch(ctx context.Context, in lock.Input) (v1.Hash, error) {
	h := hash(in)
	if in.SHA256 == "" {
		return f.next.Fetch(ctx, in) // what it will be nobody knows yet
	}
	last := f.offline || f.isDown(in.Archive)
	if last {
		if err := f.fromBundles(ctx, in, nil); err == nil || ctx.Err() != nil || local(err) {
			return h, err
		}
	}
	got, err := f.next.Fetch(ctx, in)
	if err == nil || ctx.Err() != nil || local(err) {
		return got, err
	}
	if !errors.As(err, new(*fetch.NotFoundError)) {
		f.setDown(in.Archive)
	}
	if err := f.fromBundles(ctx, in, err); err != nil {
		return v1.Hash{}, err
	}
	return h, nil
}

func (f *fallback) isDown(archive string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.down[archive]
}

func (f *fallback) setDown(archive string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down[archive] = true
}

// fromBundles takes an input out of the first bundle that has it.
func (f *fallback) fromBundles(ctx context.Context, in lock.Input, mirrors error) error {
	h := hash(in)
	step := progress.Start(ctx, fmt.Sprintf("take %s %s from a bundle", in.Name, in.Version), in.Size)
	if size, ok := f.bundles[0].store.Has(h); ok && size == in.Size {
		step.Cached()
		step.Done(nil)
		return nil
	}
	from, err := takeFrom(ctx, f.bundles, h, in.Size, mirrors)
	if from != nil {
		step.Log("from " + from.String())
	}
	if err != nil && !strings.Contains(err.Error(), in.Name+" "+in.Version) {
		err = fmt.Errorf("%s %s: %w", in.Name, in.Version, err)
	}
	step.Done(err)
	return err
}

// takeFrom returns the bundle that had the blob, or why none gave it: before,
// and each bundle's reason.
func takeFrom(ctx context.Context, bundles []*Bundle, h v1.Hash, size int64, before error) (*Bundle, error) {
	none := &noneError{before: before}
	for _, b := range bundles {
		err := b.take(ctx, h, size)
		switch {
		case err == nil:
			return b, nil
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case local(err):
			return nil, err
		case errors.Is(err, errLacks):
			err = fmt.Errorf("the bundle %s does not have it", b)
		}
		none.bundles = append(none.bundles, err)
	}
	return nil, none
}

// noneError says that neither a mirror nor a bundle gave a file.
type noneError struct {
	before  error
	bundles []error
}

func (e *noneError) Error() string {
	var texts []string
	if e.before != nil {
		texts = append(texts, e.before.Error())
	}
	for _, b := range e.bundles {
		texts = append(texts, b.Error())
	}
	return strings.Join(texts, "; ")
}

func (e *noneError) Unwrap() []error {
	if e.before == nil {
		return e.bundles
	}
	return append([]error{e.before}, e.bundles...)
}

// local says that this machine is to blame, so that no other place helps.
func local(err error) bool {
	for _, e := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, fs.ErrPermission} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
