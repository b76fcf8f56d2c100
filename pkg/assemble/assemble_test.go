package assemble

import (
	"archive/tar"
	"errors"
	"io"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/deb/debtest"
	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/input/inputtest"
	"github.com/imgbuild/imgbuild/pkg/layer"
	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// listing unpacks a layer as a layer.Sink lists entries.
func listing(t *testing.T, l v1.Layer) *inputtest.Sink {
	t.Helper()
	r, err := l.Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	sink := &inputtest.Sink{Keep: func(string) bool { return true }}
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if err == io.EOF {
			return sink
		}
		if err != nil {
			t.Fatal(err)
		}
		var content io.Reader
		if h.Typeflag == tar.TypeReg {
			content = tr
		}
		if err := sink.Add(h, content); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFiles(t *testing.T) {
	spec := Spec{
		Layer: definition.Layer{Name: "files", Files: []definition.File{
			{Path: "/var/data", Dir: true, Mode: "01777"},
			{Path: "/etc/hello", Content: "hello\n"},
			{Path: "/etc/empty"},
			{Path: "/opt/run", Source: "bin/run", Mode: "0755", UID: 10, GID: 20},
			{Path: "/usr/bin/run", Link: "/opt/run"},
		}},
		Files: map[string][]byte{"bin/run": []byte("#!/bin/sh\n")},
	}
	made, err := Layer(t.Context(), inputtest.Store(t), layer.Gzip, spec)
	if err != nil {
		t.Fatal(err)
	}
	inputtest.Golden(t, "files.txt", listing(t, made).String())
}

func TestShim(t *testing.T) {
	s := inputtest.Store(t)
	l, err := Shim(s, layer.Gzip, put(t, s, "not really a program"))
	if err != nil {
		t.Fatal(err)
	}
	inputtest.Golden(t, "shim.txt", listing(t, l).String())
	if _, err := Shim(s, layer.Gzip, v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("0", 64)}); err == nil {
		t.Error("a shim that is not in the store made a layer")
	}
}

func put(t *testing.T, s *store.Store, content string) v1.Hash {
	t.Helper()
	w, err := s.Create()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Discard()
	if _, err := io.WriteString(w, content); err != nil {
		t.Fatal(err)
	}
	h, err := w.Commit(v1.Hash{})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// packageInput puts a small package into the store.
func packageInput(t *testing.T, s *store.Store, name string) lock.Input {
	t.Helper()
	h := put(t, s, string(debtest.Deb{Name: name, Version: "1.0-1", Arch: "amd64", Entries: []debtest.Entry{
		debtest.Dir("./usr/", 0o755), debtest.Dir("./usr/bin/", 0o755), debtest.File("./usr/bin/"+name, 0o755, name),
	}}.Bytes(t)))
	return lock.Input{ID: "deb:" + name + "@1.0-1/amd64", Kind: lock.KindDebian, Name: name, Version: "1.0-1", SHA256: h.Hex}
}

// TestDebian: apt's sources name the suite, and what was asked for by name is
// marked as such, the rest as installed for it.
func TestDebian(t *testing.T) {
	s := inputtest.Store(t)
	apt, needed := packageInput(t, s, "apt"), packageInput(t, s, "needed")
	spec := Spec{
		Layer:  definition.Layer{Name: "os", Debian: &definition.DebianLayer{Suite: "trixie", Packages: []string{"apt"}, Sources: true}},
		Inputs: []lock.Input{apt, needed},
		Arch:   "amd64",
	}
	made, err := Layer(t.Context(), s, layer.Gzip, spec)
	if err != nil {
		t.Fatal(err)
	}
	sink := listing(t, made)
	inputtest.Golden(t, "debian.sources", string(sink.Content["etc/apt/sources.list.d/debian.sources"]))
	if auto := string(sink.Content["var/lib/apt/extended_states"]); !strings.Contains(auto, "Package: needed\n") || strings.Contains(auto, "Package: apt\n") {
		t.Errorf("extended_states is %q", auto)
	}

	// The same in every store: what it is made from decides, nothing else.
	other := inputtest.Store(t)
	packageInput(t, other, "apt")
	packageInput(t, other, "needed")
	again, err := Layer(t.Context(), other, layer.Gzip, spec)
	if err != nil || again.Record() != made.Record() {
		t.Errorf("another store gives %v, %v; want %v", again.Record(), err, made.Record())
	}
}

func TestNeeded(t *testing.T) {
	a, b := lock.Input{ID: "a"}, lock.Input{ID: "b"}
	spec := Spec{Inputs: []lock.Input{a}, Below: []Debian{{Inputs: []lock.Input{b}}}}
	if got := spec.Needed(); len(got) != 2 || got[0].ID != "a" || got[1].ID != "b" || len(spec.Inputs) != 1 {
		t.Errorf("got %v", got)
	}
}

func TestRefuses(t *testing.T) {
	two := []lock.Input{{Name: "npm"}, {Name: "typescript"}}
	npm := &definition.NPMLayer{Packages: []definition.NPMPackage{{Package: "typescript"}, {Package: "npm"}}}
	for want, spec := range map[string]Spec{
		"layer x: a layer of this kind is not made":  {Layer: definition.Layer{Shim: &definition.ShimLayer{}}},
		"bin/run is not beside the definition":       {Layer: definition.Layer{Files: []definition.File{{Path: "/a", Source: "bin/run"}}}},
		"mode \"rwx\" is not octal":                  {Layer: definition.Layer{Files: []definition.File{{Path: "/a", Mode: "rwx"}}}},
		"a: added to the layer twice":                {Layer: definition.Layer{Files: []definition.File{{Path: "/a"}, {Path: "/a"}}}},
		"a go layer has one input, the lock gives 2": {Layer: definition.Layer{Go: &definition.GoLayer{}}, Inputs: two},
		"has npm in the place of typescript":         {Layer: definition.Layer{NPM: npm}, Inputs: two},
		"layer of 2 packages has 1 inputs":           {Layer: definition.Layer{NPM: npm}, Inputs: two[:1]},
	} {
		spec.Layer.Name = "x"
		_, err := Layer(t.Context(), inputtest.Store(t), layer.Gzip, spec)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	// A damaged input is told as such.
	s := inputtest.Store(t)
	in := packageInput(t, s, "hello")
	in.SHA256 = put(t, s, "no package").Hex
	_, err := Layer(t.Context(), s, layer.Gzip, Spec{Layer: definition.Layer{Name: "os", Debian: &definition.DebianLayer{Suite: "trixie"}}, Inputs: []lock.Input{in}, Arch: "amd64"})
	if err == nil || errors.Is(err, store.ErrCorrupt) || !strings.Contains(err.Error(), "hello") {
		t.Errorf("got %v", err)
	}
}
