package image

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/singleflight"

	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// Remote reads images of registries through the store, piece by piece, as each
// is asked for. It is safe for concurrent use.
type Remote struct {
	p      *puller
	slots  chan struct{}
	flight singleflight.Group
}

// NewRemote returns a Remote.
func NewRemote(st *store.Store, opts ...Option) (*Remote, error) {
	p, err := newPuller(st, opts)
	if err != nil {
		return nil, err
	}
	p.gone = "check the name, the tag or the digest for a typo"
	return &Remote{p: p, slots: make(chan struct{}, parallel)}, nil
}

// Resolve returns the digest that a tag points to now.
func (r *Remote) Resolve(ctx context.Context, tag name.Tag) (name.Digest, error) {
	if r.p.offline {
		return name.Digest{}, fmt.Errorf("where the tag %s points to is not known offline; name the image by digest, or run without --offline", tag)
	}
	var d name.Digest
	err := r.p.retry(ctx, func(ctx context.Context, remote *connection, _ func()) error {
		// GET, since the digest that HEAD reports is an optional header.
		got, err := remote.Get(ctx, tag)
		if err == nil {
			d = tag.Context().Digest(got.Digest.String())
			err = r.p.put(got.Manifest, got.Digest)
		}
		return err
	})
	if err != nil {
		return d, r.p.explain(tag, err)
	}
	return d, nil
}

// Manifest returns the bytes of a manifest or index, which have the digest of
// ref.
func (r *Remote) Manifest(ctx context.Context, ref name.Digest) ([]byte, error) {
	return r.p.manifest(ctx, ref)
}

// Blob opens a layer or config, fetched once however many ask for it. What is
// read fails at its end where it has not the descriptor's digest.
func (r *Remote) Blob(ctx context.Context, repo name.Repository, d v1.Descriptor) (io.ReadCloser, error) {
	_, err, _ := r.flight.Do(d.Digest.String(), func() (any, error) {
		select {
		case r.slots <- struct{}{}:
			defer func() { <-r.slots }()
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		return nil, r.p.blobs(ctx, repo, []v1.Descriptor{d})
	})
	if err != nil {
		return nil, err
	}
	return r.p.store.Stream(d.Digest)
}

// Fetch brings one input of a locked image into the store: its manifest, its
// config or a layer.
func (r *Remote) Fetch(ctx context.Context, in lock.Input) error {
	repo, _, isBlob := strings.Cut(in.Path, blobs)
	if !isBlob {
		ref, err := manifestOf([]lock.Input{in})
		if err == nil {
			_, err = r.p.manifest(ctx, ref)
		}
		return err
	}
	n, err := name.NewRepository(repo, name.StrictValidation)
	if err != nil {
		return err
	}
	rc, err := r.Blob(ctx, n, v1.Descriptor{Digest: v1.Hash{Algorithm: "sha256", Hex: in.SHA256}, Size: in.Size})
	if err != nil {
		return err
	}
	return rc.Close()
}
