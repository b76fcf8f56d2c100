package build

import (
	"context"
	"fmt"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/assemble"
	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/input/image"
	"github.com/imgbuild/imgbuild/pkg/layer"
	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// part is one finished layer of an image.
type part struct {
	v1.Layer
	name   string
	newest time.Time // newest modification time inside; zero where unknown
}

// Name is the layer's name in the definition. Package push shows it.
func (p part) Name() string { return p.name }

// job makes the layers that one entry of a definition stands for: one, or for
// an existing image all of its layers.
type job struct {
	request Request
	layer   definition.Layer
	locked  lock.Layer
	inputs  []lock.Input
	below   []assemble.Debian
	// under are all layers under one of a command, and env is what the image
	// has for environment.
	under    []*job
	env      []definition.EnvVar
	platform string

	key   string
	parts []part
}

// storeKey names all that decides the bytes of the layer. For a layer made
// from inputs that is the diffID the lock expects: whatever went in, a layer
// with that diffID is the right one, and no other is.
func (j *job) storeKey(c layer.Compression, shim Shim) string {
	compression := c.ID()
	switch {
	case j.layer.Shim != nil:
		return "shim " + shim.Key(j.platform) + " " + compression
	case j.layer.Image != nil:
		return "image " + j.layer.Image.Ref + " " + j.platform
	case j.layer.Run != nil:
		return j.runKey(compression)
	}
	return "layer " + j.locked.DiffID + " " + compression
}

// title is the job for people.
func (j *job) title() string {
	name := j.layer.Name
	if j.layer.Shim == nil {
		name = fmt.Sprintf("%s (%s %s)", name, j.request.Definition.Name, j.request.Image.Version)
	}
	return fmt.Sprintf("layer %s for %s", name, j.platform)
}

// spec is what the layer is assembled from.
func (j *job) spec() assemble.Spec {
	_, arch, _ := strings.Cut(j.platform, "/")
	return assemble.Spec{
		Layer:  j.layer,
		Inputs: j.inputs,
		Below:  j.below,
		Files:  j.request.Definition.Files,
		Arch:   arch,
	}
}

// find takes the layer from the store and says whether it was there.
func (j *job) find(s *store.Store) bool {
	if j.layer.Image != nil {
		return false // its blobs are inputs, found by the fetcher
	}
	l, ok := layer.Find(s, j.key)
	if ok {
		j.done(l)
	}
	return ok
}

func (j *job) done(l *layer.Layer) {
	j.parts = []part{{Layer: l, name: j.layer.Name, newest: l.Record().Newest}}
}

// check says whether a layer made from inputs is the one that the lock expects.
func (j *job) check(r layer.Record) error {
	if got := r.DiffID.String(); j.locked.DiffID != "" && got != j.locked.DiffID {
		return &MismatchError{Layer: j.layer.Name, Image: j.request.Definition.Name, Platform: j.platform, Want: j.locked.DiffID, Got: got}
	}
	return nil
}

func (j *job) remember(l *layer.Layer) error {
	j.done(l)
	return l.Remember(j.key)
}

// existing takes the layers of an existing image as they are.
func (j *job) existing(ctx context.Context, s *store.Store, opts ...image.Option) error {
	layers, err := image.Layers(ctx, s, j.inputs, opts...)
	if err != nil {
		return fmt.Errorf("layer %s: %w", j.layer.Name, err)
	}
	for _, l := range layers {
		j.parts = append(j.parts, part{Layer: l, name: j.layer.Name})
	}
	return nil
}

// MismatchError says that a layer came out other than the lock expects.
type MismatchError struct {
	Layer, Image, Platform string
	Want, Got              string // diffIDs
}

func (e *MismatchError) Error() string {
	return fmt.Sprintf("layer %s of %s for %s has the diffID %s, but the lock expects %s: this imgbuild makes it differently from the one that wrote the lock",
		e.Layer, e.Image, e.Platform, e.Got, e.Want)
}
