package source

import (
	"context"
	"fmt"
	"io"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/input/image"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// Option changes how registries are read; see package image.
type Option = image.Option

// registry is an image in a registry, read through the store.
type registry struct {
	remote *image.Remote
	repo   name.Repository
	tag    string
	digest v1.Hash
}

func openRegistry(st *store.Store, n Name, opts []Option) (*registry, error) {
	repo, err := name.NewRepository(n.Reference.Repository.String(), name.StrictValidation)
	if err != nil {
		return nil, err
	}
	remote, err := image.NewRemote(st, opts...)
	return &registry{remote: remote, repo: repo, tag: n.Reference.Tag, digest: n.Reference.Digest}, err
}

func (r *registry) root(ctx context.Context) (v1.Descriptor, []string, error) {
	var tags []string
	if r.tag != "" {
		tags = []string{r.tag}
	}
	if r.digest != (v1.Hash{}) {
		return v1.Descriptor{Digest: r.digest}, tags, nil
	}
	got, err := r.remote.Resolve(ctx, r.repo.Tag(r.tag))
	if err != nil {
		return v1.Descriptor{}, nil, err
	}
	h, err := v1.NewHash(got.DigestStr())
	return v1.Descriptor{Digest: h}, tags, err
}

func (r *registry) manifest(ctx context.Context, d v1.Descriptor) ([]byte, error) {
	return r.remote.Manifest(ctx, r.repo.Digest(d.Digest.String()))
}

func (r *registry) open(ctx context.Context, d v1.Descriptor) (io.ReadCloser, error) {
	if len(d.URLs) > 0 {
		return nil, fmt.Errorf("the layer %s is elsewhere than in the registry", d.Digest)
	}
	return r.remote.Blob(ctx, r.repo, d)
}

func (r *registry) close() error { return nil }
