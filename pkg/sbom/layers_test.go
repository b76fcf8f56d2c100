package sbom

import (
	"archive/tar"
	"bytes"
	"context"
	"io"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/lock"
)

// Entries of test layers.
func file(name, content string) tar.Header {
	return tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, PAXRecords: map[string]string{"TEST.content": content}}
}
func dir(name string) tar.Header { return tar.Header{Name: name, Typeflag: tar.TypeDir, Mode: 0o755} }
func symlink(name, target string) tar.Header {
	return tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: target}
}
func hardlink(name, target string) tar.Header {
	return tar.Header{Name: name, Typeflag: tar.TypeLink, Linkname: target}
}

func layerOf(t testing.TB, entries ...tar.Header) v1.Layer {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range entries {
		content := h.PAXRecords["TEST.content"]
		h.PAXRecords = nil
		h.Size = int64(len(content))
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return layerOfBytes(t, b.Bytes())
}

// layerOfBytes is not compressed, so that its digest is the same whatever the
// compressor does.
func layerOfBytes(t testing.TB, tar []byte) v1.Layer {
	t.Helper()
	return static.NewLayer(tar, types.OCIUncompressedLayer)
}

// flat flattens layers, the lowest first.
func flat(t testing.TB, layers ...v1.Layer) (*tree, error) {
	t.Helper()
	return flatten(t.Context(), layers, options{temp: osTemp})
}

// testImage is an image and what it was made from.
type testImage struct {
	image  v1.Image
	d      *definition.Definition
	l      *lock.Lock
	locked lock.Image
}

// part is a layer of a test image.
type part struct {
	definition.Layer
	inputs []lock.Input
	blobs  []v1.Layer
}

func imageOf(t testing.TB, parts ...part) testImage {
	t.Helper()
	out := testImage{
		d:      &definition.Definition{Name: "demo"},
		l:      &lock.Lock{},
		locked: lock.Image{Version: "1.2.3", Series: "1.2", Variant: "full", Platform: "linux/amd64"},
		image:  empty.Image,
	}
	variant := definition.Variant{Name: "full"}
	var err error
	for _, p := range parts {
		variant.Layers = append(variant.Layers, p.Layer)
		locked := lock.Layer{Name: p.Name}
		for _, in := range p.inputs {
			locked.Inputs = append(locked.Inputs, in.ID)
		}
		out.l.Inputs = append(out.l.Inputs, p.inputs...)
		out.locked.Layers = append(out.locked.Layers, locked)
		if out.image, err = mutate.AppendLayers(out.image, p.blobs...); err != nil {
			t.Fatal(err)
		}
	}
	out.d.Variants = []definition.Variant{variant}
	return out
}

func (i testImage) document(t testing.TB, opts ...Option) *Document {
	t.Helper()
	d, err := Of(t.Context(), i.image, i.d, i.l, i.locked, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// owners are the packages' names by path.
func (d *Document) owners() map[string]string {
	out := map[string]string{}
	for _, f := range d.Files {
		out[f.Path] = d.Packages[f.Package].Name
	}
	return out
}

// find returns the package of that name.
func (d *Document) find(t testing.TB, name string) Package {
	t.Helper()
	for _, p := range d.Packages[1:] {
		if p.Name == name {
			return p
		}
	}
	t.Fatalf("there is no package %s", name)
	return Package{}
}

// noInputs fails the test where an input is opened.
func noInputs(t testing.TB) Option {
	return WithInputs(func(_ context.Context, in lock.Input) (io.ReadCloser, error) {
		t.Errorf("the input %s was opened", in.ID)
		return nil, io.ErrUnexpectedEOF
	})
}

func digestOf(b string) v1.Hash { return v1.Hash{Algorithm: "sha256", Hex: strings.Repeat(b, 32)} }
