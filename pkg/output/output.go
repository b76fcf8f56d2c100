// Package output writes images to files (an OCI layout, as a folder or a tar;
// a docker archive) and loads them into a local engine. Layers are streamed,
// the same images give the same bytes, and a file appears whole or not at all.
package output

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Type is a form of output.
type Type string

// The types.
const (
	OCI    Type = "oci"    // OCI image layout; a tar where dest ends in .tar or is "-"
	Docker Type = "docker" // what `docker load` reads
)

// Spec is one --output.
type Spec struct {
	Type Type
	Dest string // a path, or "-" for standard output
}

// ParseSpec reads type=oci|docker,dest=PATH.
func ParseSpec(s string) (Spec, error) {
	var spec Spec
	seen := map[string]bool{}
	for part := range strings.SplitSeq(s, ",") {
		key, value, ok := strings.Cut(part, "=")
		if !ok || value == "" {
			return Spec{}, fmt.Errorf("--output %q: %q is not KEY=VALUE; write type=oci,dest=PATH or type=docker,dest=PATH", s, part)
		}
		if seen[key] {
			return Spec{}, fmt.Errorf("--output %q: %s is there twice", s, key)
		}
		seen[key] = true
		switch key {
		case "type":
			spec.Type = Type(value)
		case "dest":
			spec.Dest = value
		default:
			return Spec{}, fmt.Errorf("--output %q: unknown key %q; the keys are type and dest", s, key)
		}
	}
	switch {
	case spec.Type == "":
		return Spec{}, fmt.Errorf("--output %q: no type; add type=oci or type=docker", s)
	case spec.Type != OCI && spec.Type != Docker:
		return Spec{}, fmt.Errorf("--output %q: unknown type %q; the types are oci and docker", s, spec.Type)
	case spec.Dest == "":
		return Spec{}, fmt.Errorf("--output %q: no dest; add dest=PATH, or dest=- for standard output", s)
	}
	return spec, nil
}

// Image is one image to write, with its names.
type Image struct {
	// Exactly one of Image and Index is set.
	Image v1.Image
	Index v1.ImageIndex
	// Name is the repository in references, such as "golang" or
	// "registry.example.com/base/golang".
	Name string
	Tags []string
}

func (i Image) check() error {
	switch {
	case (i.Image == nil) == (i.Index == nil):
		return fmt.Errorf("%s: exactly one of image and index must be given", i.Name)
	case i.Name == "":
		return errors.New("an image without a name")
	}
	return nil
}

// Write writes all images to one file or folder. stdout is used for dest=-.
func Write(ctx context.Context, spec Spec, stdout io.Writer, images []Image) error {
	err := write(ctx, spec, stdout, images)
	if err != nil {
		return fmt.Errorf("writing %s: %w", spec.Dest, err)
	}
	return nil
}

func write(ctx context.Context, spec Spec, stdout io.Writer, images []Image) error {
	for _, i := range images {
		if err := i.check(); err != nil {
			return err
		}
	}
	content := layout
	if spec.Type == Docker {
		content = archive
	}
	asTar := func(w io.Writer) error {
		t := newTarSink(ctx, w)
		if err := content(ctx, t, images); err != nil {
			return err
		}
		return t.close()
	}
	switch {
	case spec.Dest == "-":
		return asTar(stdout)
	case spec.Type == Docker || strings.HasSuffix(spec.Dest, ".tar"):
		return replaceFile(spec.Dest, asTar)
	}
	return replaceLayout(spec.Dest, func(d *dirSink) error { return content(ctx, d.in(ctx), images) })
}

// collide says that two images have a tag in common, so that the tag alone
// names neither.
func collide(images []Image) bool {
	var tags []string
	for _, i := range images {
		tags = append(tags, slices.Compact(slices.Sorted(slices.Values(i.Tags)))...)
	}
	return len(tags) != len(slices.Compact(slices.Sorted(slices.Values(tags))))
}
