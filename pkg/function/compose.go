package function

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
	specs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/imgbuild/imgbuild/pkg/build"
)

// Base is the image that a function is put on.
type Base struct {
	Image v1.Image // of one platform
	// Name is how it is called: golang:1.27-slim.
	Name string
}

// described begins the labels of an image that say what it is. Those of a base
// say nothing of the function on it.
const described = "org.opencontainers.image."

// Compose puts the function on the base. created is the image's age; the zero
// time stands for the base's.
func Compose(base Base, f Function, created time.Time) (v1.Image, error) {
	img, err := compose(base, f, created)
	if err != nil {
		return nil, fmt.Errorf("putting the function on %s: %w", base.Name, err)
	}
	return img, nil
}

func compose(base Base, f Function, created time.Time) (v1.Image, error) {
	digest, err := base.Image.Digest()
	if err != nil {
		return nil, err
	}
	file, err := base.Image.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	if !created.IsZero() {
		file.Created = v1.Time{Time: created.UTC()}
	}
	layers, err := base.Image.Layers()
	if err != nil {
		return nil, err
	}
	var all []mutate.Addendum
	for _, l := range layers {
		all = append(all, mutate.Addendum{Layer: l})
	}
	// Histories are checked by nobody, but have an entry a layer by the book.
	history := slices.DeleteFunc(slices.Clone(file.History), func(h v1.History) bool { return h.EmptyLayer })
	for i := range all {
		if len(history) == len(all) {
			all[i].History = history[i]
		}
	}
	for _, l := range f.Layers {
		all = append(all, mutate.Addendum{Layer: l, History: v1.History{Created: file.Created, CreatedBy: "imgbuild build " + l.name}})
	}
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	for i, a := range all {
		if all[i].MediaType, err = ociType(a.Layer); err != nil {
			return nil, err
		}
	}
	if img, err = mutate.Append(img, all...); err != nil {
		return nil, err
	}
	made, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	file.RootFS, file.History = made.RootFS, made.History
	annotations := map[string]string{
		specs.AnnotationCreated:         file.Created.UTC().Format(time.RFC3339),
		specs.AnnotationBaseImageName:   base.Name,
		specs.AnnotationBaseImageDigest: digest.String(),
	}
	file.Config = config(file.Config, f, annotations)
	if img, err = mutate.ConfigFile(img, file); err != nil {
		return nil, err
	}
	return build.Finish(mutate.Annotations(img, annotations).(v1.Image))
}

// config is the base's with what the function needs.
func config(c v1.Config, f Function, labels map[string]string) v1.Config {
	if f.Cmd != nil {
		c.Cmd = f.Cmd
	}
	for _, e := range f.Env {
		c.Env = setenv(c.Env, e)
	}
	own := maps.Clone(labels)
	for name, value := range c.Labels {
		if !strings.HasPrefix(name, described) {
			own[name] = value
		}
	}
	c.Labels = own
	return c
}

// setenv puts NAME=value into a list that may have the name already.
func setenv(env []string, kv string) []string {
	name, _, _ := strings.Cut(kv, "=")
	env = slices.DeleteFunc(slices.Clone(env), func(e string) bool { return strings.HasPrefix(e, name+"=") })
	return append(env, kv)
}

// ociType is the layer's media type in an OCI manifest. Docker's types are of
// the same bytes.
func ociType(l v1.Layer) (types.MediaType, error) {
	t, err := l.MediaType()
	switch t {
	case types.DockerLayer:
		t = types.OCILayer
	case types.DockerUncompressedLayer:
		t = types.OCIUncompressedLayer
	}
	return cmp.Or(t, types.OCILayer), err
}
