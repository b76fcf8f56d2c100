package resolve

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

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

// make assembles a layer, once for all images that have it.
func (r *Resolver) make(ctx context.Context, d *definition.Definition, entry definition.Layer, inputs []lock.Input, below []assemble.Debian, platform string) (made, error) {
	_, arch, _ := strings.Cut(platform, "/")
	spec := assemble.Spec{Layer: entry, Inputs: inputs, Arch: arch}
	if entry.Debian != nil {
		spec.Below = below
	}
	if entry.Files != nil {
		spec.Files = d.Files
	}
	key, err := json.Marshal(spec)
	if err != nil {
		return made{}, err
	}
	return r.layers.get(string(key), func() (made, error) {
		if err := r.source.All(ctx, spec.Needed()); err != nil {
			return made{}, err
		}
		step := progress.Start(ctx, fmt.Sprintf("layer %s (%s) for %s", entry.Name, d.Name, platform), 0)
		// Never from the store: a lock says what this imgbuild makes now.
		l, err := assemble.Layer(ctx, r.store, layer.Gzip, spec)
		step.Done(err)
		if err != nil {
			return made{}, err
		}
		// The build that follows finds the layer by the diffID of its lock.
		if err := l.Remember("layer " + l.Record().DiffID.String() + " " + layer.Gzip.ID()); err != nil {
			return made{}, err
		}
		return made{record: l.Record(), control: l.Control}, nil
	})
}
