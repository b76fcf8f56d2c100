package release

import (
	"context"
	"slices"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/address"
	"github.com/imgbuild/imgbuild/pkg/attach"
	"github.com/imgbuild/imgbuild/pkg/push"
)

// destination is a registry and how far the release has come there.
type destination struct {
	address.Registry
	name    string
	images  []*standing // by item
	bundles []*standing // by bundle
	err     error       // why it got no further
}

// standing is what a destination has of one image.
type standing struct {
	repository address.Repository
	plan       push.ImagePlan
	// was is what the image's tag, or another one that is to move, named
	// before; zero where there was none.
	was v1.Hash
	// attachments are those of the image's manifests.
	attachments []*attachment
}

// missing are the attachments that are not known to be right.
func (s *standing) missing() (out []*attachment) {
	for _, a := range s.attachments {
		if !a.right {
			out = append(out, a)
		}
	}
	return out
}

// attachment is one tag beside an image.
type attachment struct {
	of   v1.Hash
	kind string
	at   v1.Hash // what the tag names, zero where there is none
	// right says that what the tag names was looked at and needs nothing.
	right bool
}

// look asks all destinations what they have. One that cannot be asked has
// failed, and the others go on.
func (r *Release) look(ctx context.Context, all []*built) ([]*destination, error) {
	var ds []*destination
	for i, to := range r.o.Registries {
		d := &destination{Registry: to, name: r.o.Names[i]}
		ds = append(ds, d)
		for _, b := range all {
			repository, err := to.Repository(b.Definition.Name)
			if err != nil {
				return nil, err
			}
			d.images = append(d.images, &standing{repository: repository})
		}
		for _, in := range r.bundles {
			repository, err := to.Repository(in.name)
			if err != nil {
				return nil, err
			}
			d.bundles = append(d.bundles, &standing{repository: repository})
		}
	}
	var wg sync.WaitGroup
	for _, d := range ds {
		wg.Go(func() { d.err = r.lookAt(ctx, d, all) })
	}
	wg.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return ds, nil
}

func (r *Release) lookAt(ctx context.Context, d *destination, all []*built) error {
	var images push.Destination
	pushes := r.pushes(d, all)
	for _, p := range pushes {
		images.Images = append(images.Images, p.Request)
	}
	// Tags, the image before and attachments are asked for side by side; the
	// pusher keeps the host from being flooded.
	var wg sync.WaitGroup
	var plan push.DestinationPlan
	errs := make([]error, len(all)+1)
	wg.Go(func() {
		var plans []push.DestinationPlan
		if plans, errs[0] = r.o.Pusher.Plan(ctx, []push.Destination{images}); errs[0] == nil {
			plan = plans[0]
		}
	})
	for i, b := range all {
		wg.Go(func() { errs[i+1] = r.lookBeside(ctx, d.images[i], b) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	for i, p := range pushes {
		p.plan = plan.Images[i]
		if p.plan.Refused {
			return refused(p.standing)
		}
	}
	return r.lookBefore(ctx, d, all)
}

// request is the push of an image with its tags.
func (r *Release) request(b *built, s *standing) push.Request {
	rq := b.request()
	rq.Repository = s.repository
	rq.Immutable = push.Immutability(r.c.Immutable).Of(rq.Tags)
	return rq
}

// kinds are the attachments that an image is to have: those of the manifest
// that its tags name, and those of each platform's of an index.
func (r *Release) kinds(root bool) []string {
	var kinds []string
	if root {
		// The source first: statements name it.
		kinds = append(kinds, attach.Source)
	}
	if r.key != nil {
		kinds = append(kinds, attach.Attestations, attach.Signature)
	}
	return kinds
}

// lookBefore asks which images the tags that are to move name now.
func (r *Release) lookBefore(ctx context.Context, d *destination, all []*built) error {
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	for i, b := range all {
		s := d.images[i]
		if len(s.plan.Tags) == 0 {
			s.was = b.digest
			continue
		}
		tag := b.Tag
		if !slices.Contains(s.plan.Tags, tag) {
			tag = s.plan.Tags[0] // the other is kept
		}
		wg.Go(func() { s.was, errs[i] = r.o.Pusher.Resolve(ctx, s.repository, tag) })
	}
	wg.Wait()
	return firstOf(errs)
}

func firstOf(errs []error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// lookBeside finds out where the image's attachments stand.
func (r *Release) lookBeside(ctx context.Context, s *standing, b *built) error {
	for i, of := range b.manifests() {
		for _, kind := range r.kinds(i == 0) {
			s.attachments = append(s.attachments, &attachment{of: of, kind: kind})
		}
	}
	errs := make([]error, len(s.attachments))
	var wg sync.WaitGroup
	for i, a := range s.attachments {
		wg.Go(func() {
			a.at, errs[i] = r.o.Pusher.Resolve(ctx, s.repository, attach.Tag(a.of, a.kind))
			a.right = errs[i] == nil && r.knows(a)
		})
	}
	wg.Wait()
	return firstOf(errs)
}
