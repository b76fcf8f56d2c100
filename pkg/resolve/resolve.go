// Package resolve turns a definition into its lock: it asks the mirrors what
// there is, verifies it to the signature, chooses, fetches, and assembles each
// layer once to know its diffID.
package resolve

import (
	"context"
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/assemble"
	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/layer"
	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/rootfs"
	"github.com/imgbuild/imgbuild/pkg/rootfs/audit"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// Source is where metadata and files come from; package fetch has one.
type Source interface {
	Get(ctx context.Context, archive, path string, max int64) ([]byte, error)
	Exists(ctx context.Context, archive, path string) (bool, error)
	Fetch(ctx context.Context, in lock.Input) (v1.Hash, error)
	All(ctx context.Context, inputs []lock.Input) error
}

// Resolver resolves definitions. What it has read of the mirrors it keeps, so
// that all definitions resolved by one Resolver see the same state of them.
// Not for concurrent use.
type Resolver struct {
	// GoProxy is the GOPROXY list that the go command locks toolchains
	// through; empty is the machine's own.
	GoProxy string

	source Source
	store  *store.Store

	debian memo[debianArchive]
	inputs memo[lock.Input]
	layers map[string]made // by part.key
	choice memo[string]
}

// New returns a Resolver.
func New(source Source, s *store.Store) *Resolver {
	return &Resolver{source: source, store: s, layers: map[string]made{}}
}

// Lock resolves d. The same definition and the same state of the mirrors give
// the same lock, byte for byte.
func (r *Resolver) Lock(ctx context.Context, d *definition.Definition) (*lock.Lock, error) {
	l, err := r.lock(ctx, d)
	if err != nil {
		return nil, fmt.Errorf("resolving %s: %w", d.Name, err)
	}
	return l, nil
}

func (r *Resolver) lock(ctx context.Context, d *definition.Definition) (*lock.Lock, error) {
	l := &lock.Lock{Definition: d.Digest()}
	versions, err := r.versions(ctx, d)
	if err != nil {
		return nil, err
	}
	c := collector{inputs: map[string]lock.Input{}, archives: map[string]lock.Archive{}}
	var images []chosen
	for _, v := range versions {
		for _, variant := range d.Variants {
			for _, platform := range d.Platforms {
				img, err := r.choose(ctx, d, v, variant, platform, &c)
				if err != nil {
					return nil, fmt.Errorf("%s %s for %s: %w", v.version, variant.Name, platform, err)
				}
				images = append(images, img)
			}
		}
	}
	// All that can be refused without work has been by now.
	if err := r.make(ctx, d, images); err != nil {
		return nil, err
	}
	for _, img := range images {
		l.Images = append(l.Images, r.finish(img, &c))
	}
	l.Inputs, l.Archives = c.sorted()
	l.Scripts, err = audit.Audit(c.control, c.accepted)
	return l, err
}

// version is one version of a definition and the series it was chosen for.
type version struct{ version, series string }

// chosen is an image whose inputs are known and whose layers are still to be
// made.
type chosen struct {
	lock.Image
	parts []part // one a layer
}

// choose chooses the inputs of one image.
func (r *Resolver) choose(ctx context.Context, d *definition.Definition, v version, variant definition.Variant, platform string, c *collector) (chosen, error) {
	img := chosen{Image: lock.Image{Version: v.version, Series: v.series, Variant: variant.Name, Platform: platform}}
	values := definition.ValuesFor(v.version, v.series, platform)
	var below []assemble.Debian
	for _, raw := range variant.Layers {
		entry := values.ExpandLayer(raw)
		inputs, err := r.layerInputs(ctx, d, v, raw, entry, platform, below, c)
		if err != nil {
			return chosen{}, fmt.Errorf("layer %s: %w", entry.Name, err)
		}
		locked := lock.Layer{Name: entry.Name}
		for _, in := range inputs {
			locked.Inputs = append(locked.Inputs, in.ID)
			c.inputs[in.ID] = in
			if in.Kind == lock.KindImage {
				img.Size += in.Size
			}
		}
		img.Layers = append(img.Layers, locked)
		p, err := newPart(d, entry, inputs, below, platform)
		if err != nil {
			return chosen{}, fmt.Errorf("layer %s: %w", entry.Name, err)
		}
		img.parts = append(img.parts, p)
		if entry.Debian != nil {
			below = append(below, assemble.Debian{Layer: entry.Debian, Inputs: inputs})
			c.accepted = append(c.accepted, entry.Debian.Accept...)
		}
	}
	return img, nil
}

// finish adds to an image what making its layers has shown.
func (r *Resolver) finish(img chosen, c *collector) lock.Image {
	for i, p := range img.parts {
		m, ok := r.layers[p.key]
		if !ok {
			continue
		}
		img.Layers[i].DiffID = m.record.DiffID.String()
		img.Size += m.record.Size
		c.control = append(c.control, m.control...)
	}
	return img.Image
}

// collector gathers what several images of a lock share.
type collector struct {
	inputs   map[string]lock.Input
	archives map[string]lock.Archive
	control  []rootfs.ControlFile
	accepted []definition.AcceptedScript
}

func (c *collector) sorted() ([]lock.Input, []lock.Archive) {
	var inputs []lock.Input
	for _, in := range c.inputs {
		inputs = append(inputs, in)
	}
	slices.SortFunc(inputs, func(a, b lock.Input) int { return strings.Compare(a.ID, b.ID) })
	var archives []lock.Archive
	for _, a := range c.archives {
		archives = append(archives, a)
	}
	slices.SortFunc(archives, func(a, b lock.Archive) int {
		return strings.Compare(a.Name+" "+a.Suite, b.Name+" "+b.Suite)
	})
	return inputs, archives
}

// made is what is kept of an assembled layer.
type made struct {
	record  layer.Record
	control []rootfs.ControlFile
}

// memo remembers answers by key for one run.
type memo[T any] map[string]T

func (m *memo[T]) get(key string, ask func() (T, error)) (T, error) {
	if v, ok := (*m)[key]; ok {
		return v, nil
	}
	v, err := ask()
	if err == nil {
		if *m == nil {
			*m = memo[T]{}
		}
		(*m)[key] = v
	}
	return v, err
}
