package verify

import (
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/build"
)

// DifferentError says that an image is not what its source builds to.
type DifferentError struct {
	Platform         string
	Published, Built v1.Hash
	// Parts are what differs: layers by their names, the configuration.
	Parts []string
}

func (e *DifferentError) Error() string {
	return fmt.Sprintf("%s is %s, but its source builds to %s: %s", e.Platform, e.Published, e.Built, strings.Join(e.Parts, "; "))
}

// Compare compares the image of a platform with what was built from its
// source. Where they differ the error is a *DifferentError.
func (p *Platform) Compare(built v1.Image) error {
	digest, err := built.Digest()
	if err != nil || digest == p.Digest {
		return err
	}
	published, err := p.image.Manifest()
	if err != nil {
		return err
	}
	here, err := built.Manifest()
	if err != nil {
		return err
	}
	names, err := layerNames(built)
	if err != nil {
		return err
	}
	different := &DifferentError{Platform: p.Platform, Published: p.Digest, Built: digest}
	add := func(format string, args ...any) {
		different.Parts = append(different.Parts, fmt.Sprintf(format, args...))
	}
	if a, b := len(published.Layers), len(here.Layers); a != b {
		add("it has %d layers, and %d when built", a, b)
	}
	for i := range min(len(published.Layers), len(here.Layers)) {
		if a, b := published.Layers[i].Digest, here.Layers[i].Digest; a != b {
			add("the layer %s is %s, and %s when built", names[i], a, b)
		}
	}
	if len(different.Parts) == 0 && published.Config.Digest != here.Config.Digest {
		add("the configuration is %s, and %s when built", published.Config.Digest, here.Config.Digest)
	}
	if len(different.Parts) == 0 {
		add("the manifests differ, in annotations or media types")
	}
	return different
}

// layerNames are the names of the layers in their definition.
func layerNames(img v1.Image) (names []string, err error) {
	layers, err := img.Layers()
	for i, l := range layers {
		name := fmt.Sprint(i + 1)
		if named, ok := l.(interface{ Name() string }); ok {
			name = named.Name()
		}
		names = append(names, name)
	}
	return names, err
}

// CompareIndex compares the index, where the image is one and all of its
// platforms were built again, with the one of what was built.
func (r *Result) CompareIndex(images []v1.Image, platforms []string) error {
	if !r.index || !r.Whole {
		return nil
	}
	index, err := build.Index(images, platforms)
	if err != nil {
		return err
	}
	digest, err := index.Digest()
	if err != nil || digest == r.Reference.Digest {
		return err
	}
	return &DifferentError{Platform: "the index", Published: r.Reference.Digest, Built: digest, Parts: []string{"the images in it are the same"}}
}
