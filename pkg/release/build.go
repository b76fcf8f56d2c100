package release

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/imgbuild/imgbuild/pkg/build"
	"github.com/imgbuild/imgbuild/pkg/container"
	"github.com/imgbuild/imgbuild/pkg/prove"
	"github.com/imgbuild/imgbuild/pkg/push"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// built is an item with its images.
type built struct {
	*Item
	images  []v1.Image    // one a platform
	image   v1.Image      // set for one platform
	index   v1.ImageIndex // set for several
	digest  v1.Hash       // what tags name
	digests []v1.Hash     // one a platform

	proofs   []prove.Proof  // one a platform
	contents []*description // one a platform
	changes  *Changes
	// published says that the release before had this digest under its tag.
	published bool
}

// request is the push of the image. Its tags begin with the one to print.
func (b *built) request() push.Request {
	tags := []string{b.Tag}
	for _, t := range b.Tags {
		if t != b.Tag {
			tags = append(tags, t)
		}
	}
	return push.Request{Image: b.image, Index: b.index, Tags: tags}
}

// build builds all images in one go, so that layers they share are made once.
func (r *Release) build(ctx context.Context) ([]*built, error) {
	all, err := r.buildOnce(ctx)
	if errors.Is(err, store.ErrCorrupt) {
		// A blob of the store was damaged and is gone now: make it again.
		all, err = r.buildOnce(ctx)
	}
	return all, err
}

func (r *Release) buildOnce(ctx context.Context) ([]*built, error) {
	var requests []build.Request
	for _, i := range r.items {
		for _, p := range i.Platforms {
			requests = append(requests, build.Request{Definition: i.Definition.Definition, Lock: i.Lock, Image: p})
		}
	}
	images, err := r.o.Engine.Build(ctx, requests)
	if err != nil {
		return nil, err
	}
	var all []*built
	for _, i := range r.items {
		n := len(i.Platforms)
		b, err := newBuilt(i, images[:n])
		if err != nil {
			return nil, err
		}
		images = images[n:]
		all = append(all, b)
	}
	return all, nil
}

func newBuilt(i *Item, images []v1.Image) (b *built, err error) {
	b = &built{Item: i, images: images}
	for _, img := range images {
		h, err := img.Digest()
		if err != nil {
			return nil, err
		}
		b.digests = append(b.digests, h)
	}
	if len(images) == 1 {
		b.image, b.digest = images[0], b.digests[0]
		return b, nil
	}
	if b.index, err = build.Index(images, i.platformNames()); err != nil {
		return nil, err
	}
	b.digest, err = b.index.Digest()
	return b, err
}

// manifests are the digests that attachments are for: that of the tags first,
// then those of an index's platforms.
func (b *built) manifests() []v1.Hash {
	if b.index == nil {
		return []v1.Hash{b.digest}
	}
	return append([]v1.Hash{b.digest}, b.digests...)
}

// prove boots all images that are to be proven. The error lists everything
// that is wrong with any of them.
func (r *Release) prove(ctx context.Context, all []*built) error {
	var g errgroup.Group
	for _, b := range all {
		b.proofs = make([]prove.Proof, len(b.images))
		for i, img := range b.images {
			// The Prover says how many run at a time.
			g.Go(func() (err error) {
				b.proofs[i], err = r.proveOne(ctx, img, b.Platforms[i].Platform)
				switch {
				case errors.Is(err, container.ErrUnavailable):
					return fmt.Errorf("proving %s: %w; nothing was pushed; `prove: false` releases without", platformOf(b, i), err)
				case err != nil:
					return fmt.Errorf("proving %s: %w", platformOf(b, i), err)
				}
				return nil
			})
		}
	}
	if err := g.Wait(); err != nil {
		return err
	}
	var failed []string
	for _, b := range all {
		for i, p := range b.proofs {
			if err := r.judge(p, b.Platforms[i].Platform); err != nil {
				failed = append(failed, fmt.Sprintf("%s: %v", platformOf(b, i), err))
			}
		}
	}
	if len(failed) > 0 {
		return fmt.Errorf("%s\nimages that are not proven: %d; nothing was pushed", strings.Join(failed, "\n"), len(failed))
	}
	return nil
}

func (r *Release) proveOne(ctx context.Context, img v1.Image, platform string) (prove.Proof, error) {
	if reason := r.asks(platform); reason != "" {
		return prove.Proof{Status: prove.Skipped, Reason: reason}, nil
	}
	return r.o.Prover.Prove(ctx, img, platform)
}

// asks is "" where the release asks for proofs of that platform, else why not.
func (r *Release) asks(platform string) string {
	wanted := r.c.Prove
	switch {
	case wanted.Off():
		return "the release does not ask for it"
	case len(wanted.Platforms) > 0 && !slices.Contains(wanted.Platforms, platform):
		return "the release asks for " + strings.Join(wanted.Platforms, ", ") + " only"
	}
	return ""
}

// judge says why an image with that proof may not be released.
func (r *Release) judge(p prove.Proof, platform string) error {
	if err := p.Err(); err != nil {
		return err
	}
	if p.Status == prove.Skipped && slices.Contains(r.c.Prove.Platforms, platform) {
		return fmt.Errorf("it must be proven and was not: %s; release where it can run, or take %s out of prove", p.Reason, platform)
	}
	return nil
}
