// Package assemble makes one layer from its locked inputs. It is the part that
// both engines share: the same spec gives the same layer wherever it runs.
package assemble

import (
	"context"
	"fmt"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/layer"
	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/rootfs"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// Spec is all that one layer is made from.
type Spec struct {
	// Layer is the definition's, with its placeholders expanded. Its kind is
	// debian, go, npm or files: the layers of an existing image are not made,
	// and the shim's is made by Shim.
	Layer definition.Layer
	// Inputs are the layer's, in the order of the lock.
	Inputs []lock.Input
	// Below are the debian layers under a debian layer, from the bottom up.
	Below []Debian
	// Files are the contents beside the definition that a files layer names.
	Files map[string][]byte
	// Arch is that of the image: amd64, arm64.
	Arch string
}

// Needed returns all inputs that must be in the store.
func (s Spec) Needed() []lock.Input {
	needed := slices.Clone(s.Inputs)
	for _, b := range s.Below {
		needed = append(needed, b.Inputs...)
	}
	return needed
}

// Result is a layer and what making it brought to light.
type Result struct {
	*layer.Layer
	// Control are the control files of a debian layer's packages, for the audit.
	Control []rootfs.ControlFile
}

// Layer makes the layer. All inputs must be in the store; each is verified
// before it is read.
func Layer(ctx context.Context, s *store.Store, c layer.Compression, spec Spec) (Result, error) {
	var control []rootfs.ControlFile
	l, err := layer.Build(s, c, func(sink layer.Sink) error {
		if spec.Layer.Debian != nil {
			r, err := debian(ctx, s, sink, spec)
			control = r.Control
			return err
		}
		return Fill(ctx, s, sink, spec)
	})
	if err != nil {
		return Result{}, fmt.Errorf("layer %s: %w", spec.Layer.Name, s.Explain(err))
	}
	return Result{Layer: l, Control: control}, nil
}

// Fill adds the entries of a layer of Go, npm packages or files to sink.
func Fill(ctx context.Context, s *store.Store, sink layer.Sink, spec Spec) error {
	switch kind := spec.Layer; {
	case kind.Go != nil:
		return goToolchain(ctx, s, sink, spec)
	case kind.NPM != nil:
		return npmPackages(ctx, s, sink, spec)
	case kind.Files != nil:
		return files(sink, spec)
	}
	return fmt.Errorf("a layer of this kind is not made from inputs")
}

// Hash is the address of a locked input in the store.
func Hash(in lock.Input) v1.Hash { return v1.Hash{Algorithm: "sha256", Hex: in.SHA256} }
