// Package step is what a builder does for one layer: a step of a build that
// finds its inputs in a folder, has no network, and leaves the layer in another
// folder. It runs the same assembler as the engine that works in this process,
// so the layer has the same bytes.
package step

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/assemble"
	"github.com/imgbuild/imgbuild/pkg/layer"
	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/shimbuild"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// Places in the step's root.
const (
	Program = "/imgbuild"  // imgbuild itself
	SpecDir = "/spec"      // holds SpecFile
	InDir   = "/in"        // holds an input as HEX/HEX or as HEX, its SHA-256
	OutDir  = "/out"       // the layer
	GoCache = "/cache"     // what Go has compiled before
	Command = "build-step" // imgbuild's hidden command that runs a step
)

const (
	// SpecFile is a Spec as JSON.
	SpecFile = "spec.json"
	// LayerFile is the layer.Record of the finished layer, as JSON. The blob is
	// at BlobPath.
	LayerFile = "layer.json"
)

func digestOf(content []byte) v1.Hash {
	sum := sha256.Sum256(content)
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum[:])}
}

// BlobPath is where a blob is below the folder of the layer, as in an OCI
// layout (image-spec, image-layout.md).
func BlobPath(h v1.Hash) string { return filepath.Join("blobs", h.Algorithm, h.Hex) }

// Spec is all that a step goes by. Exactly one of the kinds is set.
type Spec struct {
	Compression layer.Compression `json:"compression"`
	// Layer is made from inputs.
	Layer *assemble.Spec `json:"layer,omitempty"`
	// Shim is compiled.
	Shim *Shim `json:"shim,omitempty"`
	// Difference is between two folders.
	Difference *Difference `json:"difference,omitempty"`
	// Push sends images, and leaves no layer.
	Push *Push `json:"push,omitempty"`
	// Unpack lays a finished layer over a root, and leaves no layer.
	Unpack *Unpack `json:"unpack,omitempty"`
}

// Shim is the shim for a platform, and the Go that compiles it, which runs on
// the machine of the step.
type Shim struct {
	Platform  string     `json:"platform"`
	Toolchain lock.Input `json:"toolchain"`
}

// Inputs are the files that the step needs.
func (s Spec) Inputs() []lock.Input {
	switch {
	case s.Layer != nil:
		return s.Layer.Needed()
	case s.Shim != nil:
		return []lock.Input{s.Shim.Toolchain}
	}
	return nil
}

// Portable is the spec with all that has no part in the layer's bytes taken
// out, so that the same layer is the same step wherever its inputs come from.
func (s Spec) Portable() Spec {
	plain := func(in []lock.Input) []lock.Input {
		var out []lock.Input
		for _, i := range in {
			i.Archive, i.SignedBy = "", nil
			out = append(out, i)
		}
		return out
	}
	if s.Layer != nil {
		l := *s.Layer
		l.Inputs = plain(l.Inputs)
		l.Below = nil
		for _, b := range s.Layer.Below {
			b.Inputs = plain(b.Inputs)
			l.Below = append(l.Below, b)
		}
		l.Files = nil
		for _, f := range l.Layer.Files {
			if content, ok := s.Layer.Files[f.Source]; ok && f.Source != "" {
				if l.Files == nil {
					l.Files = map[string][]byte{}
				}
				l.Files[f.Source] = content
			}
		}
		s.Layer = &l
	}
	if s.Shim != nil {
		shim := *s.Shim
		shim.Toolchain = plain([]lock.Input{shim.Toolchain})[0]
		s.Shim = &shim
	}
	return s
}

// Run runs the step whose spec, inputs and output are in those folders.
func Run(ctx context.Context, spec, in, out string) error {
	b, err := os.ReadFile(filepath.Join(spec, SpecFile))
	if err != nil {
		return err
	}
	var s Spec
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("reading the step: %w", err)
	}
	switch {
	case s.Unpack != nil:
		return s.Unpack.run(ctx)
	case s.Push != nil:
		return s.Push.run(ctx, LayersDir, out)
	}
	// The store is where the layer is left: no byte is written twice.
	st, err := store.Open(out)
	if err != nil {
		return err
	}
	for _, i := range s.Inputs() {
		if err := place(st, in, assemble.Hash(i)); err != nil {
			return fmt.Errorf("placing %s: %w", i.ID, err)
		}
	}
	l, err := s.make(ctx, st)
	if err != nil {
		return err
	}
	return leave(out, l.Record())
}

// place puts an input into the store without copying it.
func place(s *store.Store, in string, h v1.Hash) error {
	path := filepath.Join(in, h.Hex)
	if fi, err := os.Stat(path); err == nil && fi.IsDir() {
		path = filepath.Join(path, h.Hex)
	}
	to := s.Path(h)
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	if err := os.Symlink(path, to); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

func (s Spec) make(ctx context.Context, st *store.Store) (*layer.Layer, error) {
	switch {
	case s.Layer != nil:
		r, err := assemble.Layer(ctx, st, s.Compression, *s.Layer)
		return r.Layer, err
	case s.Shim != nil:
		elf, err := shimbuild.Build(ctx, shimbuild.Options{
			Store: st, Toolchain: s.Shim.Toolchain, Platform: s.Shim.Platform, Cache: GoCache,
			Fetch: func(_ context.Context, in lock.Input) (v1.Hash, error) { return assemble.Hash(in), nil },
		})
		if err != nil {
			return nil, err
		}
		return assemble.Shim(st, s.Compression, elf)
	case s.Difference != nil:
		return s.Difference.layer(ctx, st, s.Compression)
	}
	return nil, errors.New("the step has no kind that this imgbuild knows")
}

// leave removes all but the layer, and says which it is.
func leave(out string, r layer.Record) error {
	root, err := os.OpenRoot(out)
	if err != nil {
		return err
	}
	defer root.Close()
	keep := BlobPath(r.Digest)
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() != "blobs" {
			if err := root.RemoveAll(e.Name()); err != nil {
				return err
			}
		}
	}
	blobs, err := fs.ReadDir(root.FS(), filepath.Dir(keep))
	if err != nil {
		return err
	}
	for _, e := range blobs {
		if path := filepath.Join(filepath.Dir(keep), e.Name()); path != keep {
			if err := root.Remove(path); err != nil {
				return err
			}
		}
	}
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return root.WriteFile(LayerFile, b, 0o644)
}
