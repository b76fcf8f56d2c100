package release

import (
	"context"
	"fmt"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/bundle"
	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/push"
)

// inputs is the bundle of a definition: what its images are built from.
type inputs struct {
	name   string // of the definition
	packed *bundle.Packed
	digest v1.Hash
}

// pack makes the bundles, one for each definition, with the inputs of the
// platforms that are released. No input is read yet.
func (r *Release) pack(ctx context.Context) (all []*inputs, err error) {
	if !r.c.Bundle {
		return nil, nil
	}
	platforms := map[string][]string{}
	var order []*Item
	for _, i := range r.items {
		name := i.Definition.Name
		if platforms[name] == nil {
			order = append(order, i)
		}
		for _, p := range i.platformNames() {
			if !slices.Contains(platforms[name], p) {
				platforms[name] = append(platforms[name], p)
			}
		}
	}
	var toolchains []lock.Input
	if r.o.Golang != nil {
		toolchains = r.o.Golang.Toolchains()
	}
	for _, i := range order {
		in := &inputs{name: i.Definition.Name}
		in.packed, err = bundle.Pack(ctx, r.o.Store, r.o.Fetch, bundle.Request{
			Definition: i.Definition, Lock: i.Lock, Platforms: platforms[in.name], Toolchains: toolchains,
		}, r.o.Images...)
		if err != nil {
			return nil, err
		}
		if in.digest, err = in.packed.Image.Digest(); err != nil {
			return nil, fmt.Errorf("bundling %s: %w", in.name, err)
		}
		all = append(all, in)
	}
	return all, nil
}

// request is the push of the bundle. Its tag with the lock's sum is always the
// same bundle; the other one is the newest.
func (in *inputs) request(s *standing) push.Request {
	return push.Request{Image: in.packed.Image, Repository: s.repository, Tags: in.packed.Tags}
}

// pushed is one thing that goes to a destination, and how it stands there.
type pushed struct {
	push.Request
	*standing
}

// pushes are the images and then the bundles of a destination.
func (r *Release) pushes(d *destination, all []*built) (out []pushed) {
	for i, b := range all {
		out = append(out, pushed{r.request(b, d.images[i]), d.images[i]})
	}
	for i, in := range r.bundles {
		out = append(out, pushed{in.request(d.bundles[i]), d.bundles[i]})
	}
	return out
}

// report is the bundle as the report has it.
func (in *inputs) report(i int, ds []*destination) Bundle {
	out := Bundle{
		Name: in.name, Tags: in.packed.Tags, Digest: in.digest.String(), Platforms: in.packed.Platforms,
		Size: in.packed.Size, References: map[string]string{},
	}
	for _, d := range ds {
		out.References[d.name] = d.bundles[i].plan.Reference
	}
	return out
}
