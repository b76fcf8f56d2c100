package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/build"
	"github.com/imgbuild/imgbuild/pkg/fetch"
	"github.com/imgbuild/imgbuild/pkg/layer"
	"github.com/imgbuild/imgbuild/pkg/provenance"
	"github.com/imgbuild/imgbuild/pkg/store"
	"github.com/imgbuild/imgbuild/pkg/verify"
)

// rebuild builds every platform of a verified image again, from the source
// that its provenance names, and compares.
func rebuild(ctx context.Context, g *global, s *store.Store, e *engineFlags, in *inputs, r *verify.Result) error {
	dir, err := s.TempDir("verify-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	images := make([]v1.Image, len(r.Platforms))
	platforms := make([]string, len(r.Platforms))
	for i := range r.Platforms {
		p := &r.Platforms[i]
		folder, err := os.MkdirTemp(dir, "source-*")
		if err != nil {
			return err
		}
		src, err := r.Source(ctx, p, folder)
		if err != nil {
			return err
		}
		if images[i], err = rebuildOne(ctx, g, s, e, in, src); err != nil {
			return fmt.Errorf("building %s for %s again: %w", r.Reference, p.Platform, err)
		}
		if err := p.Compare(images[i]); err != nil {
			return fmt.Errorf("%s is not what its source builds to: %w%s", r.Reference, err, otherImgbuild(src.Provenance))
		}
		platforms[i] = p.Platform
	}
	return r.CompareIndex(images, platforms)
}

func rebuildOne(ctx context.Context, g *global, s *store.Store, e *engineFlags, in *inputs, src *verify.Source) (v1.Image, error) {
	with := src.Provenance.BuildDefinition.InternalParameters
	compression, err := layer.ParseCompression(with.Compression)
	if err != nil {
		return nil, err
	}
	if err := sameShim(src.Provenance); err != nil {
		return nil, err
	}
	engine, done, err := e.openWith(ctx, g, s, in, compression, nil)
	if err != nil {
		return nil, err
	}
	defer done()
	request := build.Request{Definition: src.Definition.Definition, Lock: src.Lock, Image: src.Image}
	images, err := engine.Build(ctx, []build.Request{request})
	if _, gone := errors.AsType[*fetch.NotFoundError](err); gone {
		err = fmt.Errorf("%w; what it was built from has gone from the mirror: name one that still has it with --mirror, or a bundle with --bundle", err)
	}
	if err != nil {
		return nil, fmt.Errorf("%w%s", err, otherImgbuild(src.Provenance))
	}
	return images[0], nil
}

// sameShim says whether this imgbuild carries the shim that the image has.
// With another one there is nothing to compare.
func sameShim(p *provenance.Predicate) error {
	with := p.BuildDefinition.InternalParameters
	if with.Shim == nil {
		return nil
	}
	golang, err := golangLock(nil)
	if err != nil {
		return err
	}
	here, err := provenance.ShimOf(golang)
	if err != nil {
		return err
	}
	if *here != *with.Shim {
		return fmt.Errorf("it was built by imgbuild %s, whose shim (source %s, Go %s) is another than that of this imgbuild %s (source %s, Go %s), and so the digests differ; run this with imgbuild %[1]s",
			with.Imgbuild, with.Shim.Source, with.Shim.Go, version(), here.Source, here.Go)
	}
	return nil
}

// otherImgbuild is what a difference may come from.
func otherImgbuild(p *provenance.Predicate) string {
	if with := p.BuildDefinition.InternalParameters.Imgbuild; with != version() {
		return fmt.Sprintf("; it was built by imgbuild %s, and this is %s: run this with that one before you draw conclusions", with, version())
	}
	return ""
}
