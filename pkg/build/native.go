package build

import (
	"context"
	"fmt"
	"runtime"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/imgbuild/imgbuild/pkg/assemble"
	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/input/image"
	"github.com/imgbuild/imgbuild/pkg/layer"
	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// Fetcher puts locked inputs into the store.
type Fetcher interface {
	Fetch(ctx context.Context, in lock.Input) (v1.Hash, error)
	All(ctx context.Context, inputs []lock.Input) error
}

// Shim compiles the shim.
type Shim interface {
	// Key names what the shim for a platform is compiled from; it is cheap.
	Key(platform string) string
	// Build returns the ELF file's blob in the store.
	Build(ctx context.Context, platform string) (v1.Hash, error)
}

// Native is the engine that works in this process.
type Native struct {
	Store       *store.Store
	Fetch       Fetcher
	Shim        Shim
	Compression layer.Compression
	// Images says how existing images are pulled.
	Images []image.Option
}

// Build implements Engine. A layer that several images share is made once;
// different layers are made side by side, as many as there are cores.
func (n *Native) Build(ctx context.Context, requests []Request) ([]v1.Image, error) {
	var jobs []*job
	byKey := map[string]*job{}
	plans := make([][]*job, len(requests))
	for i, r := range requests {
		planned, err := n.plan(r)
		if err != nil {
			return nil, fmt.Errorf("%s %s for %s: %w", r.Definition.Name, r.Image.Version, r.Image.Platform, err)
		}
		for _, j := range planned {
			if byKey[j.key] == nil {
				byKey[j.key] = j
				jobs = append(jobs, j)
			}
			plans[i] = append(plans[i], byKey[j.key])
		}
	}
	if err := run(ctx, jobs); err != nil {
		return nil, err
	}
	images := make([]v1.Image, len(requests))
	for i, r := range requests {
		var parts []part
		for _, j := range plans[i] {
			parts = append(parts, j.parts...)
		}
		img, err := compose(r, parts)
		if err != nil {
			return nil, fmt.Errorf("%s %s for %s: %w", r.Definition.Name, r.Image.Version, r.Image.Platform, err)
		}
		images[i] = img
	}
	return images, nil
}

// run does the jobs, those whose layers are in the store first: they cost
// nothing and free no core.
func run(ctx context.Context, jobs []*job) error {
	var todo []*job
	for _, j := range jobs {
		if !j.find() {
			todo = append(todo, j)
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	slots := make(chan struct{}, max(2, runtime.GOMAXPROCS(0)))
	for _, j := range todo {
		g.Go(func() error { return j.make(ctx, slots) })
	}
	return g.Wait()
}

// plan lists the layers of one image, from the bottom up.
func (n *Native) plan(r Request) ([]*job, error) {
	variant := r.Definition.Variant(r.Image.Variant)
	if variant == nil {
		return nil, fmt.Errorf("the definition has no variant %q", r.Image.Variant)
	}
	if len(variant.Layers) != len(r.Image.Layers) {
		return nil, fmt.Errorf("the definition has %d layers, the lock %d", len(variant.Layers), len(r.Image.Layers))
	}
	values := definition.ValuesFor(r.Image.Version, r.Image.Series, r.Image.Platform)
	var jobs []*job
	var below []assemble.Debian
	for i, l := range variant.Layers {
		if locked := r.Image.Layers[i].Name; locked != l.Name {
			return nil, fmt.Errorf("the definition has the layer %s, the lock has %s in its place", l.Name, locked)
		}
		inputs, err := r.Lock.FindAll(r.Image.Layers[i].Inputs)
		if err != nil {
			return nil, err
		}
		j := &job{
			engine:   n,
			request:  r,
			layer:    values.ExpandLayer(l),
			locked:   r.Image.Layers[i],
			inputs:   inputs,
			below:    slices.Clone(below),
			platform: r.Image.Platform,
		}
		j.key = j.storeKey()
		if l.Debian == nil {
			j.below = nil // only package databases look below
		}
		jobs = append(jobs, j)
		if l.Debian != nil {
			below = append(below, assemble.Debian{Layer: j.layer.Debian, Inputs: inputs})
		}
	}
	return jobs, nil
}
