package image

import (
	"context"
	"fmt"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/store"
	"github.com/imgbuild/imgbuild/pkg/stream"
)

// maxContent limits what one layer may unpack to, in bytes.
const maxContent = 32 << 30

// Lock brings an image into the store and returns the inputs that stand for it
// in a lock: the platform's manifest first, then its config, then its layers.
// ref is by digest, of an image or of an index; platform is as linux/amd64.
//
// Each layer is unpacked once, to see that it is what the config states.
func Lock(ctx context.Context, st *store.Store, ref, platform string, opts ...Option) ([]lock.Input, error) {
	ins, err := lockImage(ctx, st, ref, platform, opts)
	if err != nil {
		return nil, fmt.Errorf("locking the image %s for %s: %w", ref, platform, err)
	}
	return ins, nil
}

func lockImage(ctx context.Context, st *store.Store, ref, platform string, opts []Option) ([]lock.Input, error) {
	d, err := parseReference(ref)
	if err != nil {
		return nil, err
	}
	p, err := newPuller(st, opts)
	if err != nil {
		return nil, err
	}
	b, m, h, err := p.resolve(ctx, d, platform)
	if err != nil {
		return nil, err
	}
	repo := d.Context()
	if err := p.blobs(ctx, repo, append([]v1.Descriptor{m.Config}, m.Layers...)); err != nil {
		return nil, err
	}
	raw, err := p.small(m.Config.Digest)
	if err != nil {
		return nil, fmt.Errorf("reading the image's config: %w", err)
	}
	c, err := parseConfig(raw, m)
	if err != nil {
		return nil, err
	}
	if got := c.OS + "/" + c.Architecture; got != platform {
		return nil, fmt.Errorf("the image is for %s", got)
	}
	if err := p.unpackAll(ctx, m, c); err != nil {
		return nil, err
	}
	ins := []lock.Input{manifestInput(repo, h, int64(len(b))), blobInput(repo, m.Config)}
	for _, l := range unique(m.Layers) {
		ins = append(ins, blobInput(repo, l))
	}
	return ins, nil
}

// resolve follows a reference to the platform's manifest.
func (p *puller) resolve(ctx context.Context, d name.Digest, platform string) ([]byte, *v1.Manifest, v1.Hash, error) {
	b, err := p.manifest(ctx, d)
	if err != nil {
		return nil, nil, v1.Hash{}, err
	}
	got, err := parse(b)
	if err != nil {
		return nil, nil, v1.Hash{}, err
	}
	if got.index != nil {
		chosen, err := choose(got.index, platform)
		if err != nil {
			return nil, nil, v1.Hash{}, err
		}
		d = d.Context().Digest(chosen.Digest.String())
		if b, err = p.manifest(ctx, d); err != nil {
			return nil, nil, v1.Hash{}, err
		}
		if got, err = parse(b); err != nil {
			return nil, nil, v1.Hash{}, err
		}
		if got.index != nil {
			return nil, nil, v1.Hash{}, fmt.Errorf("the index has an index for %s, not an image", platform)
		}
	}
	h, err := v1.NewHash(d.DigestStr())
	return b, got.image, h, err
}

// unpacked is the store's record of a layer that was unpacked before.
type unpacked struct {
	DiffID v1.Hash `json:"diffID"`
}

const recordKind = "image-layer"

func (p *puller) unpackAll(ctx context.Context, m *v1.Manifest, c *v1.ConfigFile) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for i, l := range m.Layers {
		g.Go(func() error {
			got, err := p.diffID(ctx, l.Digest)
			if err != nil {
				return fmt.Errorf("unpacking the layer %s: %w", l.Digest, err)
			}
			if want := c.RootFS.DiffIDs[i]; got != want {
				return fmt.Errorf("the layer %s unpacks to %s, but the image's config states %s", l.Digest, got, want)
			}
			return nil
		})
	}
	return g.Wait()
}

func (p *puller) diffID(ctx context.Context, h v1.Hash) (v1.Hash, error) {
	var u unpacked
	if found, err := p.store.Record(recordKind, h.String(), &u); err != nil || found {
		return u.DiffID, err
	}
	f, err := p.store.Stream(h)
	if err != nil {
		return v1.Hash{}, err
	}
	r, err := decompress(f)
	if err != nil {
		return v1.Hash{}, err
	}
	defer r.Close()
	tooBig := fmt.Errorf("it unpacks to more than %d bytes", int64(maxContent))
	got, _, err := v1.SHA256(stream.Limit(stream.Until(ctx, r), maxContent, tooBig))
	if err != nil {
		return v1.Hash{}, err
	}
	return got, p.store.PutRecord(recordKind, h.String(), unpacked{DiffID: got})
}
