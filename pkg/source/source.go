// Package source opens existing images, in a registry or in an OCI layout, as
// what package push takes. Manifests and indexes are read at once and keep
// their bytes; a layer or config is fetched when it is first opened, so that
// one which no destination lacks is never fetched. All content is verified by
// its digest as it is read; only a layout's blobs are left to the registry that
// they are sent to, and verified here where it refuses them.
//
// What is attached to an image under another tag or by a referrer (signatures,
// SBOMs, provenance) is no part of it and not opened.
package source

import (
	"context"
	"fmt"
	"io"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/content"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// Source is an open image.
type Source struct {
	// Exactly one of Image and Index is set. Their layers can be read
	// compressed only, and until Close.
	Image v1.Image
	Index v1.ImageIndex

	Digest v1.Hash
	// Tags are those that the image was asked for by, or that its layout names
	// it by; none where it was asked for by digest.
	Tags []string
	// Platforms are those of Index, or the one that was chosen; none where
	// only a config would tell.
	Platforms []string
	Size      int64 // of all blobs in bytes, each once

	name  Name
	blobs blobs
}

// blobs is where a source's bytes are. Its readers fail at their end where the
// content has another digest.
type blobs interface {
	// root returns the descriptor of what was asked for and its tags.
	root(ctx context.Context) (v1.Descriptor, []string, error)
	manifest(ctx context.Context, d v1.Descriptor) ([]byte, error)
	open(ctx context.Context, d v1.Descriptor) (io.ReadCloser, error)
	close() error
}

// Open opens the image of that name. Its layers are read under ctx, too.
// Where platform, such as linux/arm64, is not empty, it is that image of an
// index. Registries are read through the store.
func Open(ctx context.Context, st *store.Store, n Name, platform string, opts ...Option) (*Source, error) {
	s, err := open(ctx, st, n, platform, opts)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", n, err)
	}
	return s, nil
}

func open(ctx context.Context, st *store.Store, n Name, platform string, opts []Option) (_ *Source, err error) {
	var b blobs
	if n.Path != "" {
		b, err = openLayout(n)
	} else {
		b, err = openRegistry(st, n, opts)
	}
	if err != nil {
		return nil, err
	}
	s := &Source{name: n, blobs: b}
	if err := s.read(ctx, platform); err != nil {
		b.close()
		return nil, err
	}
	return s, nil
}

// Close releases the files of a layout.
func (s *Source) Close() error { return s.blobs.close() }

func (s *Source) read(ctx context.Context, platform string) error {
	d, tags, err := s.blobs.root(ctx)
	if err != nil {
		return err
	}
	s.Tags = tags
	b := &bundle{ctx: ctx, blobs: s.blobs}
	m, err := b.read(d)
	if err != nil {
		return err
	}
	if platform != "" {
		if m, err = b.choose(m, platform); err != nil {
			return err
		}
		s.Platforms = []string{platform}
	}
	s.Digest = m.digest
	if m.index == nil {
		if s.Image, err = m.asImage(); err != nil {
			return err
		}
	} else {
		s.Index = &index{m}
		s.Platforms = platforms(m.index)
	}
	all, err := content.Of(s.Image, s.Index)
	if err != nil {
		return err
	}
	for _, b := range all.Blobs {
		s.Size += b.Size
	}
	return nil
}

func platforms(i *v1.IndexManifest) []string {
	var out []string
	for _, d := range i.Manifests {
		// Attestations inside an index stand for the platform unknown/unknown.
		if p := d.Platform; p != nil && p.OS != "unknown" && !slices.Contains(out, p.String()) {
			out = append(out, p.String())
		}
	}
	return out
}
