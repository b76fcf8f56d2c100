package lock

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/imgbuild/imgbuild/pkg/definition"
)

// checkImages checks the images and that they and the inputs need each other.
func (l *Lock) checkImages(inputs map[string]Input) error {
	if len(l.Images) == 0 {
		return fmt.Errorf("there are no images")
	}
	used := map[string]bool{}
	for _, img := range l.Images {
		if err := img.check(inputs, used); err != nil {
			return fmt.Errorf("image %s %s %s: %w", img.Version, img.Variant, img.Platform, err)
		}
	}
	for _, in := range l.Inputs {
		if !used[in.ID] {
			return fmt.Errorf("input %q: no image needs it", in.ID)
		}
	}
	// The order of the variants is the definition's; here it is that of the
	// first version, and all versions have it.
	var variants []string
	series := map[string]string{}
	for _, img := range l.Images {
		if !slices.Contains(variants, img.Variant) {
			variants = append(variants, img.Variant)
		}
		if s, ok := series[img.Version]; ok && s != img.Series {
			return fmt.Errorf("version %s is in the series %s and %s", img.Version, s, img.Series)
		}
		series[img.Version] = img.Series
	}
	return sorted("images", l.Images, func(a, b Image) int {
		return cmp.Or(newestFirst(a, b),
			cmp.Compare(slices.Index(variants, a.Variant), slices.Index(variants, b.Variant)),
			cmp.Compare(a.Platform, b.Platform))
	})
}

// check checks one image and marks the inputs it uses.
func (img Image) check(inputs map[string]Input, used map[string]bool) error {
	switch {
	case !isToken(img.Version) || !definition.InSeries(img.Version, img.Series) || img.Series == "":
		return fmt.Errorf("version %q is not of the series %q", img.Version, img.Series)
	case !isWord(img.Variant):
		return fmt.Errorf("variant %q is not a name", img.Variant)
	case !isPlatform(img.Platform):
		return fmt.Errorf("unknown platform %q", img.Platform)
	case img.Size < 0:
		return fmt.Errorf("the size is %d", img.Size)
	case len(img.Layers) == 0:
		return fmt.Errorf("it has no layers")
	}
	var seen []string
	for _, layer := range img.Layers {
		switch {
		case !isWord(layer.Name) || slices.Contains(seen, layer.Name):
			return fmt.Errorf("layer %q: the name is not right or there twice", layer.Name)
		case layer.DiffID != "" && !isDigest(layer.DiffID):
			return fmt.Errorf("layer %s: diffID %q is not a digest", layer.Name, layer.DiffID)
		}
		seen = append(seen, layer.Name)
		image := false
		for _, id := range layer.Inputs {
			in, ok := inputs[id]
			switch {
			case !ok:
				return fmt.Errorf("layer %s: the input %q is not in the lock", layer.Name, id)
			case !fits(in, img.Platform):
				return fmt.Errorf("layer %s: the input %q is for another platform", layer.Name, id)
			}
			used[id] = true
			image = image || in.Kind == KindImage
		}
		// An existing image brings several layers, each checked by its own digest.
		if len(layer.Inputs) > 0 && layer.DiffID == "" && !image {
			return fmt.Errorf("layer %s: the diffID is missing", layer.Name)
		}
	}
	return nil
}
