package resolve

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/input/npm"
	"github.com/imgbuild/imgbuild/pkg/lock"
)

// newest is the version in a definition that leaves the choice to the lock.
const newest = "latest"

// npmInputs locks the packages of an npm layer. raw holds the names with their
// placeholders: a version is chosen once for all platforms.
func (r *Resolver) npmInputs(ctx context.Context, d *definition.Definition, v version, raw, entry *definition.NPMLayer) ([]lock.Input, error) {
	chosen := map[string]string{} // by name as written in the definition
	var inputs []lock.Input
	for i, p := range entry.Packages {
		wanted := p.Version
		if of, ok := strings.CutPrefix(raw.Packages[i].Version, "="); ok {
			if wanted = chosen[of]; wanted == "" {
				return nil, fmt.Errorf("package %s takes its version from %s, which is not above it in the layer", p.Package, of)
			}
		}
		if wanted == newest {
			names := together(d, raw, i)
			found, err := r.choice.get("latest "+strings.Join(names, " ")+" "+v.version, func() (string, error) {
				return npm.Latest(ctx, r.source, names, v.version)
			})
			if err != nil {
				return nil, err
			}
			wanted = found
		}
		chosen[raw.Packages[i].Package] = wanted
		in, err := r.inputs.get("npm "+p.Package+" "+wanted, func() (lock.Input, error) {
			return npm.Lock(ctx, r.source, r.store, npm.DefaultKeys(), p.Package, wanted)
		})
		if err != nil {
			return nil, fmt.Errorf("package %s %s: %w", p.Package, wanted, err)
		}
		inputs = append(inputs, in)
	}
	return inputs, nil
}

// together lists the names, on all platforms, of package i of the layer and of
// those that take their version from it.
func together(d *definition.Definition, raw *definition.NPMLayer, i int) []string {
	names := onPlatforms(d, raw.Packages[i].Package)
	for _, p := range raw.Packages {
		if p.Version == "="+raw.Packages[i].Package {
			for _, n := range onPlatforms(d, p.Package) {
				if !slices.Contains(names, n) {
					names = append(names, n)
				}
			}
		}
	}
	return names
}
