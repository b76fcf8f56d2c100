package release

import (
	"context"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/address"
	"github.com/imgbuild/imgbuild/pkg/attach"
	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/provenance"
	"github.com/imgbuild/imgbuild/pkg/source"
)

// lockOf is the lock that a published image was built from: the one that its
// provenance names, where our key has signed that. nil where there is none.
func (r *Release) lockOf(ctx context.Context, at address.Repository, image v1.Hash) (*lock.Lock, error) {
	repo, err := attach.Open(r.o.Store, at, r.o.Read...)
	if err != nil {
		return nil, err
	}
	statements, err := repo.Find(ctx, image, attach.Attestations)
	if err != nil || statements == nil {
		return nil, err
	}
	sources, err := repo.Find(ctx, image, attach.Source)
	if err != nil || sources == nil {
		return nil, err
	}
	for s, err := range statements.Statements(ctx) {
		if err != nil {
			return nil, err
		}
		if s.PredicateType != provenance.SLSA {
			continue
		}
		p := statementOf(s, image, r.key.Public())
		if p == nil {
			continue
		}
		made, err := provenance.ParsePredicate(p.Predicate)
		if err != nil {
			return nil, err
		}
		if layer, ok := made.Source(); ok {
			return r.readLock(ctx, sources, layer)
		}
	}
	return nil, nil
}

func (r *Release) readLock(ctx context.Context, sources *attach.Attachment, layer v1.Hash) (*lock.Lock, error) {
	dir, err := r.o.Store.TempDir("source-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if found, err := sources.Unpack(ctx, layer, dir); err != nil || !found {
		return nil, err
	}
	data, err := os.ReadFile(filepath.Join(dir, definition.LockName))
	if err != nil {
		return nil, err
	}
	return lock.Read(definition.LockName, data)
}

// sizesOf are the sizes of a published image by platform.
func (r *Release) sizesOf(ctx context.Context, at address.Repository, image v1.Hash) (map[string]int64, error) {
	src, err := source.Open(ctx, r.o.Store, source.Name{Reference: address.Reference{Repository: at, Digest: image}}, "", r.o.Read...)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	sizes := map[string]int64{}
	add := func(img v1.Image, platform string) error {
		if platform == "" {
			c, err := img.ConfigFile()
			if err != nil {
				return err
			}
			platform = c.Platform().String()
		}
		sizes[platform], err = sizeOf(img)
		return err
	}
	if src.Image != nil {
		return sizes, add(src.Image, "")
	}
	m, err := src.Index.IndexManifest()
	if err != nil {
		return nil, err
	}
	for _, d := range m.Manifests {
		img, err := src.Index.Image(d.Digest)
		if err != nil {
			return nil, err
		}
		platform := ""
		if d.Platform != nil {
			platform = d.Platform.String()
		}
		if err := add(img, platform); err != nil {
			return nil, err
		}
	}
	return sizes, nil
}
