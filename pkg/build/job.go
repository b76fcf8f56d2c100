package build

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/assemble"
	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/input/image"
	"github.com/imgbuild/imgbuild/pkg/layer"
	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/progress"
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
	engine   *Native
	request  Request
	layer    definition.Layer
	locked   lock.Layer
	inputs   []lock.Input
	below    []assemble.Debian
	platform string

	key   string
	parts []part
}

// storeKey names all that decides the bytes of the layer. For a layer made
// from inputs that is the diffID the lock expects: whatever went in, a layer
// with that diffID is the right one, and no other is.
func (j *job) storeKey() string {
	compression := j.engine.Compression.ID()
	switch {
	case j.layer.Shim != nil:
		return "shim " + j.engine.Shim.Key(j.platform) + " " + compression
	case j.layer.Image != nil:
		return "image " + j.layer.Image.Ref + " " + j.platform
	}
	return "layer " + j.locked.DiffID + " " + compression
}

// find takes the layer from the store and says whether it was there.
func (j *job) find() bool {
	if j.layer.Image != nil {
		return false // its blobs are inputs, found by the fetcher
	}
	l, ok := layer.Find(j.engine.Store, j.key)
	if ok {
		j.done(l)
	}
	return ok
}

func (j *job) done(l *layer.Layer) {
	j.parts = []part{{Layer: l, name: j.layer.Name, newest: l.Record().Newest}}
}

// make fetches what the layer needs and makes it. Fetching waits for the
// network and needs no slot; making takes one.
func (j *job) make(ctx context.Context, slots chan struct{}) error {
	if err := j.fetch(ctx); err != nil {
		return err
	}
	select {
	case slots <- struct{}{}:
		defer func() { <-slots }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	// Two processes that want the same layer at the same time make it once.
	unlock, err := j.engine.Store.Lock(ctx, fmt.Sprintf("layer-%x", sha256.Sum256([]byte(j.key))))
	if err != nil {
		return err
	}
	defer unlock()
	if j.find() {
		return nil
	}
	name := j.layer.Name
	if !strings.HasPrefix(j.key, "shim ") {
		name = fmt.Sprintf("%s (%s %s)", name, j.request.Definition.Name, j.request.Image.Version)
	}
	step := progress.Start(ctx, fmt.Sprintf("layer %s for %s", name, j.platform), 0)
	err = j.assemble(ctx)
	step.Done(err)
	return err
}

func (j *job) fetch(ctx context.Context) error {
	if j.layer.Image != nil {
		return nil // pulled from the image's own registry
	}
	return j.engine.Fetch.All(ctx, assemble.Spec{Inputs: j.inputs, Below: j.below}.Needed())
}

func (j *job) assemble(ctx context.Context) error {
	switch {
	case j.layer.Shim != nil:
		elf, err := j.engine.Shim.Build(ctx, j.platform)
		if err != nil {
			return fmt.Errorf("compiling the shim for %s: %w", j.platform, err)
		}
		l, err := assemble.Shim(j.engine.Store, j.engine.Compression, elf)
		if err != nil {
			return err
		}
		return j.remember(l)
	case j.layer.Image != nil:
		return j.existing(ctx)
	}
	l, err := j.fromInputs(ctx)
	if errors.Is(err, store.ErrCorrupt) {
		// The damaged input is out of the store by now: fetch it again, once.
		if err := j.fetch(ctx); err != nil {
			return err
		}
		l, err = j.fromInputs(ctx)
	}
	if err != nil {
		return err
	}
	if got := l.Record().DiffID.String(); got != j.locked.DiffID {
		return &MismatchError{Layer: j.layer.Name, Image: j.request.Definition.Name, Platform: j.platform, Want: j.locked.DiffID, Got: got}
	}
	return j.remember(l)
}

func (j *job) fromInputs(ctx context.Context) (*layer.Layer, error) {
	_, arch, _ := strings.Cut(j.platform, "/")
	r, err := assemble.Layer(ctx, j.engine.Store, j.engine.Compression, assemble.Spec{
		Layer:  j.layer,
		Inputs: j.inputs,
		Below:  j.below,
		Files:  j.request.Definition.Files,
		Arch:   arch,
	})
	return r.Layer, err
}

func (j *job) remember(l *layer.Layer) error {
	j.done(l)
	return l.Remember(j.key)
}

// existing takes the layers of an existing image as they are.
func (j *job) existing(ctx context.Context) error {
	layers, err := image.Layers(ctx, j.engine.Store, j.inputs, j.engine.Images...)
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
