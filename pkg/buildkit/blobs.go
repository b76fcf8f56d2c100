package buildkit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/errdefs"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/opencontainers/go-digest"
	specs "github.com/opencontainers/image-spec/specs-go/v1"

	contents "github.com/imgbuild/imgbuild/pkg/content"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// Blobs is imgbuild's store as a builder sees it: it reads from there the images
// that are handed to it, and writes there what it has made. What the store has
// is not sent again, and nothing is copied.
type Blobs struct {
	store *store.Store

	mu sync.Mutex
	// handed are what the builder may read: manifests and configs, which are
	// small and in no store, and layers.
	handed map[digest.Digest]contents.Blob
	small  map[digest.Digest][]byte
	// written are what it has made, which it may read, too.
	written map[digest.Digest]bool
}

var _ content.Store = (*Blobs)(nil)

// NewBlobs returns the store as a builder sees it.
func NewBlobs(s *store.Store) *Blobs {
	return &Blobs{store: s, handed: map[digest.Digest]contents.Blob{}, small: map[digest.Digest][]byte{}, written: map[digest.Digest]bool{}}
}

// Hand lets the builder read an image or an index.
func (b *Blobs) Hand(image v1.Image, index v1.ImageIndex) (digest.Digest, error) {
	c, err := contents.Of(image, index)
	if err != nil {
		return "", err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range c.Manifests {
		b.small[digest.Digest(m.Digest.String())] = m.Raw
	}
	for _, blob := range c.Blobs {
		b.handed[digest.Digest(blob.Digest.String())] = blob
	}
	return digest.Digest(c.Root().Digest.String()), nil
}

// Info implements content.Store.
func (b *Blobs) Info(_ context.Context, d digest.Digest) (content.Info, error) {
	size, ok := b.size(d)
	if !ok {
		return content.Info{}, fmt.Errorf("%s: %w", d, errdefs.ErrNotFound)
	}
	return content.Info{Digest: d, Size: size}, nil
}

func (b *Blobs) size(d digest.Digest) (int64, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if raw, ok := b.small[d]; ok {
		return int64(len(raw)), true
	}
	if blob, ok := b.handed[d]; ok {
		return blob.Size, true
	}
	h, err := v1.NewHash(d.String())
	if err != nil {
		return 0, false
	}
	return b.store.Has(h)
}

// ReaderAt implements content.Store. What else the store has is not read, though
// the builder knows its digest.
func (b *Blobs) ReaderAt(_ context.Context, desc specs.Descriptor) (content.ReaderAt, error) {
	b.mu.Lock()
	raw, small := b.small[desc.Digest]
	blob, handed := b.handed[desc.Digest]
	written := b.written[desc.Digest]
	b.mu.Unlock()
	switch {
	case small:
		return inMemory{bytes.NewReader(raw)}, nil
	case !handed && !written:
		return nil, fmt.Errorf("%s is not for the builder: %w", desc.Digest, errdefs.ErrNotFound)
	}
	h, err := v1.NewHash(desc.Digest.String())
	if err != nil {
		return nil, err
	}
	if _, ok := b.store.Has(h); !ok && handed {
		if err := b.keep(blob); err != nil {
			return nil, err
		}
	}
	f, err := b.store.Open(h)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", desc.Digest, errors.Join(err, errdefs.ErrNotFound))
	}
	size, _ := b.store.Has(h)
	return onDisk{f, size}, nil
}

// keep puts into the store a blob that comes from elsewhere.
func (b *Blobs) keep(blob contents.Blob) error {
	rc, err := blob.Open()
	if err != nil {
		return err
	}
	defer rc.Close()
	w, err := b.store.Create()
	if err != nil {
		return err
	}
	defer w.Discard()
	if _, err := io.Copy(w, rc); err != nil {
		return err
	}
	_, err = w.Commit(blob.Digest)
	return err
}

type inMemory struct{ *bytes.Reader }

func (inMemory) Close() error { return nil }

type onDisk struct {
	*os.File
	size int64
}

func (o onDisk) Size() int64 { return o.size }

// Writer implements content.Store. A blob that the store has is not written: the
// builder takes that for its success.
func (b *Blobs) Writer(ctx context.Context, opts ...content.WriterOpt) (content.Writer, error) {
	var o content.WriterOpts
	for _, opt := range opts {
		if err := opt(&o); err != nil {
			return nil, err
		}
	}
	h, err := v1.NewHash(o.Desc.Digest.String())
	if err != nil {
		return nil, fmt.Errorf("a blob without a digest: %w", errdefs.ErrInvalidArgument)
	}
	if _, ok := b.store.Has(h); ok {
		return nil, fmt.Errorf("%s: %w", h, errdefs.ErrAlreadyExists)
	}
	part, err := b.store.Partial(ctx, h.Hex)
	if err != nil {
		return nil, err
	}
	// The lock was perhaps waited for while its holder wrote the same.
	if _, ok := b.store.Has(h); ok {
		part.Discard()
		return nil, fmt.Errorf("%s: %w", h, errdefs.ErrAlreadyExists)
	}
	return &writer{blobs: b, part: part, ref: o.Ref, want: h, desc: o.Desc, begun: time.Now()}, nil
}

// writer is one blob as it comes in. What was cut off is resumed.
type writer struct {
	blobs *Blobs
	part  *store.Partial
	ref   string
	want  v1.Hash
	desc  specs.Descriptor
	begun time.Time
}

func (w *writer) Write(p []byte) (int, error) { return w.part.Write(p) }

func (w *writer) Close() error {
	w.part.Close()
	return nil
}

func (w *writer) Digest() digest.Digest { return digest.Digest(w.part.Hash().String()) }

func (w *writer) Commit(_ context.Context, size int64, expected digest.Digest, _ ...content.Opt) error {
	if expected != "" && expected != w.desc.Digest {
		w.part.Discard()
		return fmt.Errorf("the builder sends %s as %s: %w", expected, w.desc.Digest, errdefs.ErrFailedPrecondition)
	}
	if size > 0 && size != w.part.Size() {
		got := w.part.Size()
		w.part.Discard()
		return fmt.Errorf("%s has %d bytes where the builder announced %d: %w", w.want, got, size, errdefs.ErrFailedPrecondition)
	}
	if _, err := w.part.Commit(w.want); err != nil {
		return err
	}
	w.blobs.mu.Lock()
	defer w.blobs.mu.Unlock()
	w.blobs.written[w.desc.Digest] = true
	return nil
}

func (w *writer) Status() (content.Status, error) {
	return content.Status{Ref: w.ref, Offset: w.part.Size(), Total: w.desc.Size, Expected: w.desc.Digest, StartedAt: w.begun, UpdatedAt: time.Now()}, nil
}

func (w *writer) Truncate(size int64) error {
	if size != 0 {
		return fmt.Errorf("truncating to %d bytes: %w", size, errdefs.ErrInvalidArgument)
	}
	return w.part.Reset()
}

// What follows belongs to content.Store, and no builder asks for it.

func (b *Blobs) Update(_ context.Context, info content.Info, _ ...string) (content.Info, error) {
	return info, nil // labels, which the store has none of
}

func (b *Blobs) Walk(context.Context, content.WalkFunc, ...string) error { return nil }

func (b *Blobs) Delete(context.Context, digest.Digest) error {
	return fmt.Errorf("deleting: %w", errdefs.ErrPermissionDenied)
}

func (b *Blobs) Status(_ context.Context, ref string) (content.Status, error) {
	return content.Status{}, fmt.Errorf("%s: %w", ref, errdefs.ErrNotFound)
}

func (b *Blobs) ListStatuses(context.Context, ...string) ([]content.Status, error) { return nil, nil }

func (b *Blobs) Abort(context.Context, string) error { return nil }
