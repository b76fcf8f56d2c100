package assemble

import (
	"context"
	_ "embed"
	"slices"
	"strings"

	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/layer"
	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/rootfs"
	"github.com/imgbuild/imgbuild/pkg/rootfs/effect"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// Debian is one debian layer and its packages.
type Debian struct {
	Layer  *definition.DebianLayer
	Inputs []lock.Input
}

// sources is /etc/apt/sources.list.d/debian.sources: the public mirror of
// Alibaba Cloud, which functions and their builds are near to.
//
//go:embed debian.sources
var sources string

// debian adds the root file system of a debian layer's packages.
func debian(ctx context.Context, s *store.Store, sink layer.Sink, spec Spec) (rootfs.Result, error) {
	l := spec.Layer.Debian
	dir, cleanup, err := tempDir(s)
	if err != nil {
		return rootfs.Result{}, err
	}
	defer cleanup()
	// Without dependencies there is no package manager either.
	minimal := l.Dependencies != nil && !*l.Dependencies
	o := rootfs.Options{
		Arch:    spec.Arch,
		Slim:    !minimal,
		Minimal: minimal,
		Effects: effect.All(),
		TempDir: dir,
	}
	if l.Sources {
		o.Sources = []byte(strings.ReplaceAll(sources, "SUITE", l.Suite))
	}
	for _, b := range spec.Below {
		o.Below = append(o.Below, packages(s, b)...)
	}
	return rootfs.Write(ctx, sink, packages(s, Debian{Layer: l, Inputs: spec.Inputs}), o)
}

func packages(s *store.Store, d Debian) []rootfs.Package {
	out := make([]rootfs.Package, len(d.Inputs))
	for i, in := range d.Inputs {
		out[i] = rootfs.Package{
			Name:    in.Name,
			Version: in.Version,
			Arch:    in.ID[strings.LastIndexByte(in.ID, '/')+1:],
			// As debootstrap leaves it, what every system has counts as asked for.
			Auto: !d.Layer.Essential && !slices.Contains(d.Layer.Packages, in.Name),
			Open: func() (rootfs.ReadAtCloser, error) { return s.Open(Hash(in)) },
		}
	}
	return out
}
