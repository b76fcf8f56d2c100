package build

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
	specs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/lock"
)

// Source is the project's address, in every image's annotations.
const Source = "https://github.com/imgbuild/imgbuild"

// compose puts the layers of an image together with its configuration.
func compose(r Request, parts []part) (v1.Image, error) {
	created := time.Unix(0, 0).UTC()
	for _, p := range parts {
		// A pure function of the inputs, unlike the clock: the age of the
		// newest file.
		if p.newest.After(created) {
			created = p.newest
		}
	}
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	for _, p := range parts {
		mediaType, err := p.MediaType()
		if err != nil {
			return nil, err
		}
		img, err = mutate.Append(img, mutate.Addendum{
			Layer:     p,
			MediaType: mediaType,
			History:   v1.History{Created: v1.Time{Time: created}, CreatedBy: "imgbuild " + p.name},
		})
		if err != nil {
			return nil, fmt.Errorf("layer %s: %w", p.name, err)
		}
	}
	file, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.Created = v1.Time{Time: created}
	file.OS, file.Architecture, _ = strings.Cut(r.Image.Platform, "/")
	annotations := annotations(r, created)
	file.Config = config(r, annotations)
	img, err = mutate.ConfigFile(img, file)
	if err != nil {
		return nil, err
	}
	return Finish(mutate.Annotations(img, annotations).(v1.Image))
}

// config is the container configuration (image-spec, config.md).
func config(r Request, labels map[string]string) v1.Config {
	values := definition.ValuesFor(r.Image.Version, r.Image.Series, r.Image.Platform)
	c := values.ExpandConfig(r.Definition.Variant(r.Image.Variant).Config)
	out := v1.Config{
		Entrypoint: c.Entrypoint,
		Cmd:        c.Cmd,
		WorkingDir: c.WorkingDir,
		User:       c.User,
		StopSignal: c.StopSignal,
		Labels:     maps.Clone(labels),
	}
	for _, e := range c.Env {
		out.Env = append(out.Env, e.Name+"="+e.Value)
	}
	for _, p := range c.Ports {
		if out.ExposedPorts == nil {
			out.ExposedPorts = map[string]struct{}{}
		}
		out.ExposedPorts[strconv.Itoa(p)+"/tcp"] = struct{}{}
	}
	maps.Copy(out.Labels, c.Labels)
	return out
}

// annotations are the OCI annotations (image-spec, annotations.md). They are
// labels too, since most tools read only those.
func annotations(r Request, created time.Time) map[string]string {
	base := "scratch"
	for _, l := range r.Definition.Variant(r.Image.Variant).Layers {
		if l.Image != nil {
			base, _, _ = strings.Cut(l.Image.Ref, "@")
		}
	}
	a := map[string]string{
		specs.AnnotationCreated:       created.Format(time.RFC3339),
		specs.AnnotationSource:        Source,
		specs.AnnotationVersion:       r.Image.Version,
		specs.AnnotationRevision:      revision(r.Image),
		specs.AnnotationBaseImageName: base,
	}
	for name, text := range map[string]string{
		specs.AnnotationTitle:       r.Definition.Title,
		specs.AnnotationDescription: r.Definition.Description,
	} {
		if text != "" {
			a[name] = text
		}
	}
	return a
}

// revision names what the image was made from: the hash of its own entry in
// the lock. The commit of whoever happens to build it would only make equal
// images differ, and the whole lock's hash would change one version's image
// when another moves.
func revision(locked lock.Image) string {
	b, err := json.Marshal(locked)
	if err != nil {
		panic(err) // strings and numbers only
	}
	return fmt.Sprintf("sha256:%x", sha256.Sum256(b))
}
