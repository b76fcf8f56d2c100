package assemble

import (
	"context"
	"fmt"

	"github.com/imgbuild/imgbuild/pkg/input/gotoolchain"
	"github.com/imgbuild/imgbuild/pkg/input/npm"
	"github.com/imgbuild/imgbuild/pkg/layer"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// goToolchain adds the one Go toolchain of a go layer.
func goToolchain(ctx context.Context, s *store.Store, sink layer.Sink, spec Spec) error {
	if len(spec.Inputs) != 1 {
		return fmt.Errorf("a go layer has one input, the lock gives %d", len(spec.Inputs))
	}
	return gotoolchain.Write(ctx, sink, s, spec.Inputs[0], spec.Layer.Go.Exclude)
}

// npmPackages adds the packages of an npm layer, each from the input at the
// same place in the lock.
func npmPackages(ctx context.Context, s *store.Store, sink layer.Sink, spec Spec) error {
	packages := spec.Layer.NPM.Packages
	if len(spec.Inputs) != len(packages) {
		return fmt.Errorf("an npm layer of %d packages has %d inputs in the lock", len(packages), len(spec.Inputs))
	}
	for i, p := range packages {
		if spec.Inputs[i].Name != p.Package {
			return fmt.Errorf("the lock has %s in the place of %s", spec.Inputs[i].Name, p.Package)
		}
		if err := npm.Write(ctx, sink, s, spec.Inputs[i], p); err != nil {
			return fmt.Errorf("%s: %w", p.Package, err)
		}
	}
	return nil
}
