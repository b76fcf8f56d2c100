package build

import (
	"errors"
	"os"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/assemble"
	"github.com/imgbuild/imgbuild/pkg/deb/debtest"
	"github.com/imgbuild/imgbuild/pkg/input/inputtest"
	"github.com/imgbuild/imgbuild/pkg/layer"
	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/store"
)

const packaged = `name: packaged
versions: {series: ["1"]}
platforms: [linux/amd64]
variants:
  - name: full
    layers:
      - name: os
        debian: {suite: trixie, packages: [hello], dependencies: false}
    config: {cmd: [/usr/bin/hello]}
`

// A damaged input is found before its bytes get into a layer, fetched again
// once, and the image is the right one.
func TestDamagedInput(t *testing.T) {
	suffix := ".xz"
	content := debtest.Deb{Name: "hello", Version: "1.0-1", Arch: "amd64", Suffix: &suffix, Entries: []debtest.Entry{
		debtest.Dir("./usr/", 0o755), debtest.Dir("./usr/bin/", 0o755), debtest.File("./usr/bin/hello", 0o755, "hello\n"),
	}}.Bytes(t)
	in := lock.Input{ID: "deb:hello@1.0-1/amd64", Kind: lock.KindDebian, Name: "hello", Version: "1.0-1", Size: int64(len(content)), SHA256: sum(content)}

	d := parse(t, packaged)
	n, _, fetcher := newNative(t)
	fetcher.files[in.SHA256] = content
	l := &lock.Lock{Inputs: []lock.Input{in}, Images: []lock.Image{{
		Version: "1", Series: "1", Variant: "full", Platform: "linux/amd64",
		Layers: []lock.Layer{{Name: "os", Inputs: []string{in.ID}, DiffID: diffID(t, packaged, in, content)}},
	}}}
	damage := func() {
		w, err := n.Store.Create()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			t.Fatal(err)
		}
		h, err := w.Commit(v1.Hash{})
		if err != nil {
			t.Fatal(err)
		}
		flipped := append([]byte{}, content...)
		flipped[len(flipped)/2] ^= 1
		if err := errors.Join(os.Chmod(n.Store.Path(h), 0o644), os.WriteFile(n.Store.Path(h), flipped, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	damage()
	if _, err := n.Build(t.Context(), requests(d, l)); err != nil {
		t.Fatal(err)
	}
	if got := fetcher.fetched.Load(); got != 1 {
		t.Errorf("fetched %d times, want once", got)
	}

	// A mirror that has only the damaged file is no reason to go on forever.
	n, _, fetcher = newNative(t)
	fetcher.files[in.SHA256] = append([]byte{1}, content...)
	damage()
	if _, err := n.Build(t.Context(), requests(d, l)); !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("got %v, want ErrCorrupt", err)
	}
	if got := fetcher.fetched.Load(); got != 1 {
		t.Errorf("fetched %d times, want once", got)
	}
}

// diffID makes the layer of the one package in a store of its own.
func diffID(t *testing.T, yaml string, in lock.Input, content []byte) string {
	t.Helper()
	s := inputtest.Store(t)
	f := &fakeFetcher{store: s, files: map[string][]byte{in.SHA256: content}}
	if _, err := f.Fetch(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	made, err := assemble.Layer(t.Context(), s, layer.Gzip, assemble.Spec{
		Layer: parse(t, yaml).Variants[0].Layers[0], Inputs: []lock.Input{in}, Arch: "amd64",
	})
	if err != nil {
		t.Fatal(err)
	}
	return made.Record().DiffID.String()
}
