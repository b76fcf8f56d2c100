package resolve

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/imgbuild/imgbuild/pkg/assemble"
	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/input/gotoolchain"
	"github.com/imgbuild/imgbuild/pkg/input/image"
	"github.com/imgbuild/imgbuild/pkg/layer"
	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/progress"
)

// layerInputs chooses and locks the inputs of one layer. raw is the entry of
// the definition, entry the same with its placeholders expanded for platform.
func (r *Resolver) layerInputs(ctx context.Context, d *definition.Definition, v version, raw, entry definition.Layer, platform string, below []assemble.Debian, c *collector) ([]lock.Input, error) {
	switch {
	case entry.Debian != nil:
		return r.debianInputs(ctx, entry.Debian, platform, below, c)
	case entry.Go != nil:
		in, err := r.inputs.get("go "+v.version+" "+platform, func() (lock.Input, error) {
			return gotoolchain.Lock(ctx, r.store, r.GoProxy, v.version, platform)
		})
		return []lock.Input{in}, err
	case entry.NPM != nil:
		return r.npmInputs(ctx, d, v, raw.NPM, entry.NPM)
	case entry.Image != nil:
		return image.Lock(ctx, r.store, entry.Image.Ref, platform)
	}
	return nil, nil
}

// part is what one layer is made from.
type part struct {
	// key stands for the rest. It is empty for a layer that is not made here: that
	// of a command, which needs BuildKit,
	// the shim's, which each imgbuild makes anew, and those of existing images.
	key      string
	platform string
	spec     assemble.Spec
}

func newPart(d *definition.Definition, entry definition.Layer, inputs []lock.Input, below []assemble.Debian, platform string) (part, error) {
	if entry.Shim != nil || entry.Image != nil || entry.Run != nil {
		return part{}, nil
	}
	spec := assemble.Spec{Layer: entry, Inputs: inputs}
	if entry.Debian != nil {
		_, spec.Arch, _ = strings.Cut(platform, "/")
		spec.Below = slices.Clone(below)
	}
	if entry.Files != nil {
		spec.Files = d.Files
	}
	key, err := json.Marshal(spec)
	return part{key: string(key), platform: platform, spec: spec}, err
}

// make assembles the layers of all images, each once for all that have it, as
// many at a time as there are cores.
func (r *Resolver) make(ctx context.Context, d *definition.Definition, images []chosen) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	var mu sync.Mutex // guards r.layers
	for _, p := range r.missing(images) {
		g.Go(func() error {
			m, err := r.assemble(ctx, d.Name, p)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			r.layers[p.key] = m
			return nil
		})
	}
	return g.Wait()
}

// missing lists, each once, the layers that have not been made in this run.
func (r *Resolver) missing(images []chosen) []part {
	var todo []part
	seen := map[string]bool{"": true}
	for _, img := range images {
		for _, p := range img.parts {
			if _, ok := r.layers[p.key]; !ok && !seen[p.key] {
				seen[p.key] = true
				todo = append(todo, p)
			}
		}
	}
	return todo
}

// assemble fetches what a layer is made from and makes it.
func (r *Resolver) assemble(ctx context.Context, name string, p part) (made, error) {
	if err := r.source.All(ctx, p.spec.Needed()); err != nil {
		return made{}, err
	}
	step := progress.Start(ctx, fmt.Sprintf("layer %s (%s) for %s", p.spec.Layer.Name, name, p.platform), 0)
	// Never from the store: a lock says what this imgbuild makes now.
	l, err := assemble.Layer(ctx, r.store, layer.Gzip, p.spec)
	step.Done(err)
	if err != nil {
		return made{}, err
	}
	// The build that follows finds the layer by the diffID of its lock.
	if err := l.Remember("layer " + l.Record().DiffID.String() + " " + layer.Gzip.ID()); err != nil {
		return made{}, err
	}
	return made{record: l.Record(), control: l.Control}, nil
}
