package image

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// Layers returns a locked image's layers, the lowest first, as they are: their
// bytes, digests and media types are those of the base. What the store lacks
// is pulled first. Their content is verified as it is read.
func Layers(ctx context.Context, st *store.Store, ins []lock.Input, opts ...Option) ([]v1.Layer, error) {
	m, c, err := open(ctx, st, ins, opts)
	if err != nil {
		return nil, fmt.Errorf("opening the base image: %w", err)
	}
	layers := make([]v1.Layer, len(m.Layers))
	for i, d := range m.Layers {
		layers[i] = blob{store: st, descriptor: d, diffID: c.RootFS.DiffIDs[i]}
	}
	return layers, nil
}

// Config returns a locked image's config: its environment, its command, the
// history of its layers.
func Config(ctx context.Context, st *store.Store, ins []lock.Input, opts ...Option) (*v1.ConfigFile, error) {
	_, c, err := open(ctx, st, ins, opts)
	if err != nil {
		return nil, fmt.Errorf("opening the base image: %w", err)
	}
	return c, nil
}

func open(ctx context.Context, st *store.Store, ins []lock.Input, opts []Option) (*v1.Manifest, *v1.ConfigFile, error) {
	ref, err := manifestOf(ins)
	if err != nil {
		return nil, nil, err
	}
	p, err := newPuller(st, opts)
	if err != nil {
		return nil, nil, err
	}
	b, err := p.manifest(ctx, ref)
	if err != nil {
		return nil, nil, err
	}
	got, err := parse(b)
	if err != nil {
		return nil, nil, err
	}
	if got.image == nil {
		return nil, nil, fmt.Errorf("the lock names the index %s, not an image", ref)
	}
	ds := append([]v1.Descriptor{got.image.Config}, got.image.Layers...)
	for _, d := range ds {
		if !slices.Contains(sums(ins), d.Digest.Hex) {
			return nil, nil, fmt.Errorf("the lock lacks %s of the image %s", d.Digest, ref)
		}
	}
	if err := p.blobs(ctx, ref.Context(), ds); err != nil {
		return nil, nil, err
	}
	raw, err := p.small(got.image.Config.Digest)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the image's config: %w", err)
	}
	c, err := parseConfig(raw, got.image)
	return got.image, c, err
}

func sums(ins []lock.Input) []string {
	var out []string
	for _, in := range ins {
		out = append(out, in.SHA256)
	}
	return out
}

// blob is a v1.Layer in the store.
type blob struct {
	store      *store.Store
	descriptor v1.Descriptor
	diffID     v1.Hash
}

var _ v1.Layer = blob{}

func (b blob) Digest() (v1.Hash, error)            { return b.descriptor.Digest, nil }
func (b blob) DiffID() (v1.Hash, error)            { return b.diffID, nil }
func (b blob) Size() (int64, error)                { return b.descriptor.Size, nil }
func (b blob) MediaType() (types.MediaType, error) { return b.descriptor.MediaType, nil }
func (b blob) Compressed() (io.ReadCloser, error)  { return b.store.Stream(b.descriptor.Digest) }
func (b blob) Uncompressed() (io.ReadCloser, error) {
	f, err := b.store.Stream(b.descriptor.Digest)
	if err != nil {
		return nil, err
	}
	return decompress(f)
}

// decompress unpacks by what the bytes begin with: registries have layers
// whose media type says something else. Closing the result closes f.
func decompress(f io.ReadCloser) (io.ReadCloser, error) {
	br := bufio.NewReaderSize(f, 64<<10)
	magic, err := br.Peek(4)
	if err != nil && err != io.EOF {
		return nil, errors.Join(err, f.Close())
	}
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}): // RFC 1952
		z, err := gzip.NewReader(br)
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		return closers{z, []io.Closer{z, f}}, nil
	case bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}): // RFC 8878
		z, err := zstd.NewReader(br, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(128<<20))
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		rc := z.IOReadCloser()
		return closers{rc, []io.Closer{rc, f}}, nil
	}
	return closers{br, []io.Closer{f}}, nil
}

type closers struct {
	io.Reader
	close []io.Closer
}

func (c closers) Close() error {
	var errs []error
	for _, c := range c.close {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}
