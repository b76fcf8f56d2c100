package verify

import (
	"context"
	"errors"
	"fmt"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/attach"
	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/provenance"
)

// Source is what the image of a platform was built from.
type Source struct {
	Definition *definition.Loaded
	Lock       *lock.Lock
	// Image is the locked image.
	Image lock.Image
	// Provenance is the signed statement that names all this.
	Provenance *provenance.Predicate
}

// Source brings the definition and the lock that the signed provenance of a
// platform's image names into dir, an empty folder, and loads them.
func (r *Result) Source(ctx context.Context, p *Platform, dir string) (*Source, error) {
	made := r.provenance(p)
	if made == nil {
		return nil, fmt.Errorf("%s for %s has no provenance that imgbuild wrote and one of the keys has signed, so what it was built from is not known; `imgbuild release` attaches it", r.Reference, p.Platform)
	}
	s, err := r.source(ctx, p, made, dir)
	if err != nil {
		return nil, fmt.Errorf("the source of %s for %s: %w", r.Reference, p.Platform, err)
	}
	return s, nil
}

// provenance is that of the platform's image, else of the index.
func (r *Result) provenance(p *Platform) *provenance.Predicate {
	for _, a := range append(p.Attestations[:len(p.Attestations):len(p.Attestations)], r.Attestations...) {
		if a.Provenance != nil {
			return a.Provenance
		}
	}
	return nil
}

func (r *Result) source(ctx context.Context, p *Platform, made *provenance.Predicate, dir string) (*Source, error) {
	digest, ok := made.Source()
	if !ok {
		return nil, errors.New("the provenance does not name it")
	}
	if err := r.unpack(ctx, p, digest, dir); err != nil {
		return nil, err
	}
	d, err := definition.Load(dir + string(os.PathSeparator) + definition.FileName)
	if err != nil {
		return nil, err
	}
	l, err := lock.Load(d)
	if err != nil {
		return nil, err
	}
	want := made.BuildDefinition.ExternalParameters
	if d.Name != want.Definition || d.Digest() != want.DefinitionDigest {
		return nil, fmt.Errorf("it is the definition %s %s, but the provenance names %s %s", d.Name, d.Digest(), want.Definition, want.DefinitionDigest)
	}
	for _, img := range l.Images {
		if img.Version == want.Version && img.Variant == want.Variant && img.Platform == p.Platform {
			return &Source{Definition: d, Lock: l, Image: img, Provenance: made}, nil
		}
	}
	return nil, fmt.Errorf("its lock has no %s %s for %s", want.Version, want.Variant, p.Platform)
}

// unpack finds the layer beside the image and unpacks it into dir.
func (r *Result) unpack(ctx context.Context, p *Platform, layer v1.Hash, dir string) error {
	for _, of := range []v1.Hash{r.Reference.Digest, p.Digest} {
		found, err := r.repository.Find(ctx, of, attach.Source)
		if err != nil {
			return err
		}
		if ok, err := found.Unpack(ctx, layer, dir); ok || err != nil {
			return err
		}
	}
	return fmt.Errorf("the layer %s, which the provenance names, is not in %s:%s; push it again with `imgbuild release`",
		layer, r.Reference.Repository.Name(), attach.Tag(r.Reference.Digest, attach.Source))
}
