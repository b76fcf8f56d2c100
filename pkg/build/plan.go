package build

import (
	"fmt"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/assemble"
	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/layer"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// plan is the work that some requests come to: a layer that several images
// share is in it once.
type plan struct {
	requests []Request
	jobs     []*job
	of       [][]*job // of each request, from the bottom up
}

func newPlan(requests []Request, c layer.Compression, shim Shim) (*plan, error) {
	p := &plan{requests: requests, of: make([][]*job, len(requests))}
	byKey := map[string]*job{}
	for i, r := range requests {
		jobs, err := layersOf(r, c, shim)
		if err != nil {
			return nil, r.explain(err)
		}
		for _, j := range jobs {
			if byKey[j.key] == nil {
				byKey[j.key] = j
				p.jobs = append(p.jobs, j)
			}
			p.of[i] = append(p.of[i], byKey[j.key])
		}
	}
	return p, nil
}

// explain says which image an error is about.
func (r Request) explain(err error) error {
	return fmt.Errorf("%s %s for %s: %w", r.Definition.Name, r.Image.Version, r.Image.Platform, err)
}

// missing are the jobs whose layers are not in the store.
func (p *plan) missing(s *store.Store) []*job {
	return slices.DeleteFunc(slices.Clone(p.jobs), func(j *job) bool { return j.find(s) })
}

// compose returns the images when all jobs are done.
func (p *plan) compose() ([]v1.Image, error) {
	images := make([]v1.Image, len(p.requests))
	for i, r := range p.requests {
		var parts []part
		for _, j := range p.of[i] {
			parts = append(parts, j.parts...)
		}
		img, err := compose(r, parts)
		if err != nil {
			return nil, r.explain(err)
		}
		images[i] = img
	}
	return images, nil
}

// layersOf lists the layers of one image, from the bottom up.
func layersOf(r Request, c layer.Compression, shim Shim) ([]*job, error) {
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
			request:  r,
			layer:    values.ExpandLayer(l),
			locked:   r.Image.Layers[i],
			inputs:   inputs,
			below:    slices.Clone(below),
			platform: r.Image.Platform,
		}
		if l.Run != nil {
			j.under = slices.Clone(jobs)
			j.env = values.ExpandConfig(variant.Config).Env
		}
		j.key = j.storeKey(c, shim)
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
