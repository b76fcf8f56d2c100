package build

import (
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Index joins the images of several platforms. It holds nothing but them: the
// platform refuses an index with entries of an unknown platform.
func Index(images []v1.Image, platforms []string) (v1.ImageIndex, error) {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for i, img := range images {
		p, err := v1.ParsePlatform(platforms[i])
		if err != nil {
			return nil, fmt.Errorf("platform %q: %w", platforms[i], err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add:        plain{img},
			Descriptor: v1.Descriptor{Platform: p},
		})
	}
	return index, nil
}

// plain is an image whose descriptor in an index has no artifactType. The
// library gives it the config's media type, which the image specification
// leaves out for images, and by which registries tell artifacts from them.
type plain struct{ v1.Image }

// Descriptor is what package partial asks for before it makes its own.
func (p plain) Descriptor() (*v1.Descriptor, error) {
	d, err := partial.Descriptor(p.Image)
	if err != nil {
		return nil, err
	}
	d.ArtifactType = ""
	return d, nil
}
