// Package bundle keeps all that an image is made from in one place: an OCI
// artifact, in a registry or in a file, with the definition, its lock, the keys
// that verified the archives, and every input as a blob with the input's own
// digest. So bundles share what they have in common, go through package push,
// and give out one input without the others. A build falls back to them when a
// mirror has moved on, or has nothing else when there is no network.
//
// The manifest is an ordinary image's (OCI image specification, "Image
// Manifest"), for there are registries that take nothing else:
//
//	config   application/vnd.oci.image.config.v1+json
//	layer 0  the folder: image.yaml, image.lock, files taken along, keyrings/
//	layer 1… an input each, as it is
//
// Nothing in a bundle is trusted but by the hash that a lock has of it.
package bundle

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/source"
	"github.com/imgbuild/imgbuild/pkg/store"
	"github.com/imgbuild/imgbuild/pkg/stream"
)

// Bundle is an open bundle, or all bundles of one layout. It is safe for
// concurrent use.
type Bundle struct {
	store *store.Store
	name  source.Name
	opts  []source.Option

	mu     sync.Mutex
	opened bool
	parts  []*part
	err    error
}

// part is one bundle with its manifest.
type part struct {
	source   *source.Source
	contents *contents
}

// New returns the bundle of that name without looking for it: that is done when
// it is first needed.
func New(st *store.Store, n source.Name, opts ...source.Option) *Bundle {
	return &Bundle{store: st, name: n, opts: opts}
}

// Open is New for a bundle that is needed now.
func Open(ctx context.Context, st *store.Store, n source.Name, opts ...source.Option) (*Bundle, error) {
	b := New(st, n, opts...)
	if _, err := b.all(ctx); err != nil {
		return nil, err
	}
	return b, nil
}

// String is the bundle's name.
func (b *Bundle) String() string { return b.name.String() }

// Close releases a bundle's files.
func (b *Bundle) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	var errs []error
	for _, p := range b.parts {
		errs = append(errs, p.source.Close())
	}
	b.parts, b.opened, b.err = nil, true, errors.New("the bundle is closed")
	return errors.Join(errs...)
}

// all opens the bundle, once. An error is remembered, unless it is that ctx
// has ended.
func (b *Bundle) all(ctx context.Context) ([]*part, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.opened {
		return b.parts, b.err
	}
	parts, err := b.open(ctx)
	if err != nil {
		for _, p := range parts {
			p.source.Close()
		}
		parts, err = nil, fmt.Errorf("the bundle %s can not be used: %w", b, err)
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	b.parts, b.err, b.opened = parts, err, true
	return parts, err
}

func (b *Bundle) open(ctx context.Context) (parts []*part, err error) {
	names, err := source.Each(b.name)
	if err != nil {
		return nil, err
	}
	for _, n := range names {
		s, err := source.Open(ctx, b.store, n, "", b.opts...)
		if err != nil {
			return parts, err
		}
		p := &part{source: s}
		parts = append(parts, p)
		if s.Image == nil {
			return parts, errors.New("it is the index of images, no bundle")
		}
		raw, err := s.Image.RawManifest()
		if err != nil {
			return parts, err
		}
		if p.contents, err = parse(raw); err != nil {
			return parts, err
		}
	}
	if len(parts) == 0 {
		return nil, errors.New("it is empty")
	}
	return parts, nil
}

// single is the bundle's one part.
func (b *Bundle) single(ctx context.Context) (*part, error) {
	parts, err := b.all(ctx)
	if err != nil {
		return nil, err
	}
	if len(parts) > 1 {
		var names []string
		for _, p := range parts {
			names = append(names, b.name.String()+"@"+p.source.Digest.String()+" of "+p.contents.definition)
		}
		return nil, fmt.Errorf("%s has several bundles; name one of\n  %s", b, strings.Join(names, "\n  "))
	}
	return parts[0], nil
}

// errLacks is what take returns where the bundle does not list the blob.
var errLacks = errors.New("not in the bundle")

// take brings one blob into the store. size is in bytes, 0 where it is not
// known. The error is errLacks, or names the bundle.
func (b *Bundle) take(ctx context.Context, h v1.Hash, size int64) error {
	parts, err := b.all(ctx)
	if err != nil {
		return err
	}
	for _, p := range parts {
		d, ok := p.contents.inputs[h]
		if !ok {
			continue
		}
		if size != 0 && d.Size != size {
			return fmt.Errorf("the bundle %s is damaged: it states %d bytes for %s, and the lock %d", b, d.Size, h, size)
		}
		if err := b.copy(ctx, p, d); err != nil {
			return fmt.Errorf("from the bundle %s: %w", b, err)
		}
		return nil
	}
	return errLacks
}

// copy puts a blob of a part into the store.
func (b *Bundle) copy(ctx context.Context, p *part, d v1.Descriptor) error {
	rc, err := p.source.Blob(ctx, d)
	if err != nil {
		return err
	}
	defer rc.Close()
	// What comes from a registry comes through the store.
	if size, ok := b.store.Has(d.Digest); ok && size == d.Size {
		return nil
	}
	w, err := b.store.Create()
	if err != nil {
		return err
	}
	defer w.Discard()
	if _, err := io.Copy(w, stream.Until(ctx, rc)); err != nil {
		return err
	}
	_, err = w.Commit(d.Digest)
	return err
}
