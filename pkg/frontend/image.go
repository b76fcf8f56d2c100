package frontend

import (
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	specs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/imgbuild/imgbuild/pkg/build"
	"github.com/imgbuild/imgbuild/pkg/layer"
	"github.com/imgbuild/imgbuild/pkg/step"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// Labels by which BuildKit knows what a frontend can do.
const (
	labelCaps = "moby.buildkit.frontend.caps"
	labelNone = "moby.buildkit.frontend.network.none"
)

// caps are what this one can: definitions that are not in a client's folder,
// and requests that build nothing.
var caps = []string{"moby.buildkit.frontend.inputs", "moby.buildkit.frontend.subrequests"}

// Image is the frontend's image for a platform: imgbuild, and nothing else.
func Image(s *store.Store, programs build.Assemblers, platform, version string) (v1.Image, error) {
	img, err := programs.Image(s, platform, layer.Gzip)
	if err != nil {
		return nil, err
	}
	file, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	about := map[string]string{
		specs.AnnotationTitle:       "imgbuild as a frontend of BuildKit",
		specs.AnnotationDescription: "Builds an image.yaml with docker buildx build and buildctl.",
		specs.AnnotationSource:      build.Source,
		specs.AnnotationVersion:     version,
	}
	file = file.DeepCopy()
	created := v1.Time{Time: time.Unix(0, 0).UTC()} // no clock: the same program is the same image
	file.Created = created
	file.History = []v1.History{{Created: created, CreatedBy: "imgbuild frontend-image"}}
	file.Config.Entrypoint = []string{step.Program, Command}
	file.Config.Labels = map[string]string{labelCaps: strings.Join(caps, ","), labelNone: "true"}
	for k, v := range about {
		file.Config.Labels[k] = v
	}
	if img, err = mutate.ConfigFile(img, file); err != nil {
		return nil, err
	}
	return mutate.Annotations(img, about).(v1.Image), nil
}
