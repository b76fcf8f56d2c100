package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/dockerfile"
)

// tellResult says what a Dockerfile's image begins with, how large it is, and
// whether it still starts with the shim.
func (d *dockerfileBuild) tellResult(r *dockerfile.Result, f finished) error {
	i := slices.IndexFunc(r.Bases, func(b dockerfile.Base) bool { return b.Ref == r.Final.Image })
	from := "what the builder read"
	switch {
	case i >= 0 && r.Bases[i].Digest != "":
		name, _, _ := strings.Cut(r.Final.Image, "@")
		from = name + "@" + r.Bases[i].Digest
	case r.Final.Image != "":
		from = r.Final.Image
	case r.Final.Scratch:
		from = "scratch"
	case r.Final.Context != "":
		from = "the context " + r.Final.Context
	}
	entrypoint, err := entrypointOf(f)
	if err != nil {
		return err
	}
	shim := isShim(entrypoint)
	with := "the shim is its entrypoint"
	if !shim {
		with = "the shim is not its entrypoint"
	}
	d.g.noteOnce("%s: FROM %s, %s compressed, %s", f.repository(), from, humanize.Bytes(uint64(f.size)), with)
	if shim {
		return nil
	}
	d.g.noteOnce("warning: %s", d.shimless(r, i, entrypoint))
	return nil
}

// shimless says why an image does not start with the shim, and what to do.
func (d *dockerfileBuild) shimless(r *dockerfile.Result, base int, entrypoint []string) string {
	const need = "without it nothing answers Function Compute's calls but what your program does itself"
	switch {
	case r.Entrypoint > 0 && base >= 0 && isShim(r.Bases[base].Entrypoint):
		return fmt.Sprintf("ENTRYPOINT in %s:%d takes the place of the shim, %s, that the base starts with; %s: leave ENTRYPOINT out and give the program with CMD",
			filepath.Base(d.build.File), r.Entrypoint, definition.ShimPath, need)
	case base >= 0 && !isShim(r.Bases[base].Entrypoint):
		return fmt.Sprintf("the base %s does not start with the shim; %s: begin FROM an image of imgbuild's, such as golang, node or typescript", r.Final.Image, need)
	}
	if len(entrypoint) == 0 {
		return fmt.Sprintf("the image has no entrypoint; %s: begin FROM an image of imgbuild's, such as golang:1.27-slim", need)
	}
	return fmt.Sprintf("the image starts with %q; %s: begin FROM an image of imgbuild's, and set no ENTRYPOINT", entrypoint, need)
}

func isShim(entrypoint []string) bool {
	return len(entrypoint) > 0 && entrypoint[0] == definition.ShimPath
}

// entrypointOf is that of the image for the first platform.
func entrypointOf(f finished) ([]string, error) {
	image := f.image
	if image == nil {
		m, err := f.index.IndexManifest()
		if err != nil {
			return nil, err
		}
		if image, err = f.index.Image(m.Manifests[0].Digest); err != nil {
			return nil, err
		}
	}
	var c *v1.ConfigFile
	c, err := image.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("reading the image's config: %w", err)
	}
	return c.Config.Entrypoint, nil
}
