package sbom

import (
	"fmt"

	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/lock"
)

// origin says what a layer of the image was made from.
type origin struct {
	// layer is the definition's, its placeholders expanded.
	layer  definition.Layer
	inputs []lock.Input
}

// base says whether the layer is one of an existing image.
func (o origin) base() bool { return o.layer.Image != nil }

// originsOf returns the origins of the image's layers, from the bottom up. An
// existing image, which is always the first, has any number of layers; all
// others have one each.
func originsOf(d *definition.Definition, l *lock.Lock, locked lock.Image, layers int) ([]origin, error) {
	variant := d.Variant(locked.Variant)
	if variant == nil {
		return nil, fmt.Errorf("the definition has no variant %q", locked.Variant)
	}
	if len(variant.Layers) != len(locked.Layers) {
		return nil, fmt.Errorf("the definition has %d layers, the lock %d", len(variant.Layers), len(locked.Layers))
	}
	values := definition.ValuesFor(locked.Version, locked.Series, locked.Platform)
	var out []origin
	for i, layer := range variant.Layers {
		inputs, err := l.FindAll(locked.Layers[i].Inputs)
		if err != nil {
			return nil, err
		}
		o := origin{layer: values.ExpandLayer(layer), inputs: inputs}
		times := 1
		if layer.Image != nil {
			times = layers - len(variant.Layers) + 1
		}
		for range times {
			out = append(out, o)
		}
	}
	if len(out) != layers {
		return nil, fmt.Errorf("the image has %d layers, its definition makes %d", layers, len(out))
	}
	return out, nil
}
