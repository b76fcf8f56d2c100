package build

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/imgbuild/imgbuild/pkg/assemble"
	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/input/inputtest"
	"github.com/imgbuild/imgbuild/pkg/layer"
	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/progress"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// tiny has two variants that share a layer, and every kind of setting.
const tiny = `name: tiny
title: Tiny
description: Two files.
versions: {series: ["2.1", "1.0"]}
platforms: [linux/amd64, linux/arm64]
variants:
  - name: full
    layers:
      - name: base
        files:
          - {path: /etc/tiny, content: "tiny\n"}
          - {path: /opt/tool, content: "#!/bin/sh\n", mode: "0755", uid: 1, gid: 2}
      - name: version
        files: [{path: /etc/version, content: "{version} {arch}"}]
      - name: shim
        shim: {}
    config:
      entrypoint: [/usr/local/bin/shim]
      cmd: [/opt/tool, "{version}"]
      workingDir: /code
      user: root
      ports: [8080, 9000]
      stopSignal: SIGTERM
      env:
        - {name: ZERO, value: first}
        - {name: ARCH, value: "{arch}"}
      labels: {com.example.series: "{series}"}
  - name: slim
    suffix: -slim
    layers:
      - name: base
        files:
          - {path: /etc/tiny, content: "tiny\n"}
          - {path: /opt/tool, content: "#!/bin/sh\n", mode: "0755", uid: 1, gid: 2}
    config: {cmd: [/opt/tool]}
`

// fakeShim is a shim that is no program.
type fakeShim struct {
	store *store.Store
	built atomic.Int32
}

func (f *fakeShim) Key(platform string) string { return "fake for " + platform }

func (f *fakeShim) Build(_ context.Context, platform string) (v1.Hash, error) {
	f.built.Add(1)
	w, err := f.store.Create()
	if err != nil {
		return v1.Hash{}, err
	}
	defer w.Discard()
	if _, err := w.Write([]byte("shim for " + platform)); err != nil {
		return v1.Hash{}, err
	}
	return w.Commit(v1.Hash{})
}

// fakeFetcher has files in memory, and counts.
type fakeFetcher struct {
	store   *store.Store
	files   map[string][]byte // by SHA-256
	fetched atomic.Int32
	// one: as with the real one, an input is fetched once, whoever asks meanwhile.
	one sync.Mutex
}

func (f *fakeFetcher) Fetch(_ context.Context, in lock.Input) (v1.Hash, error) {
	f.one.Lock()
	defer f.one.Unlock()
	h := v1.Hash{Algorithm: "sha256", Hex: in.SHA256}
	if _, ok := f.store.Has(h); ok {
		return h, nil
	}
	f.fetched.Add(1)
	w, err := f.store.Create()
	if err != nil {
		return v1.Hash{}, err
	}
	defer w.Discard()
	if _, err := w.Write(f.files[in.SHA256]); err != nil {
		return v1.Hash{}, err
	}
	return w.Commit(h)
}

func (f *fakeFetcher) All(ctx context.Context, ins []lock.Input) error {
	for _, in := range ins {
		if _, err := f.Fetch(ctx, in); err != nil {
			return err
		}
	}
	return nil
}

// steps are the names of the steps that were reported.
type steps struct {
	mu    sync.Mutex
	names []string
}

func (s *steps) Start(name string, _ int64) progress.Step {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names = append(s.names, name)
	return progress.Start(context.Background(), name, 0)
}

func (s *steps) count(prefix string) (n int) {
	for _, name := range s.names {
		if strings.HasPrefix(name, prefix) {
			n++
		}
	}
	return n
}

func newNative(t *testing.T) (*Native, *fakeShim, *fakeFetcher) {
	t.Helper()
	s := inputtest.Store(t)
	shim, fetcher := &fakeShim{store: s}, &fakeFetcher{store: s, files: map[string][]byte{}}
	return &Native{Store: s, Fetch: fetcher, Shim: shim, Compression: layer.Gzip}, shim, fetcher
}

func parse(t *testing.T, yaml string) *definition.Definition {
	t.Helper()
	d, err := definition.Parse("image.yaml", []byte(yaml), func(string) ([]byte, error) { return nil, os.ErrNotExist })
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// lockOf is what package resolve would make of a definition of files only.
func lockOf(t *testing.T, d *definition.Definition) *lock.Lock {
	t.Helper()
	s := inputtest.Store(t)
	l := &lock.Lock{Definition: d.Digest()}
	for _, version := range d.Versions.Series {
		for _, variant := range d.Variants {
			for _, platform := range d.Platforms {
				img := lock.Image{Version: version, Series: version, Variant: variant.Name, Platform: platform}
				values := definition.ValuesFor(version, version, platform)
				for _, raw := range variant.Layers {
					locked := lock.Layer{Name: raw.Name}
					if raw.Shim == nil {
						made, err := assemble.Layer(t.Context(), s, layer.Gzip, assemble.Spec{Layer: values.ExpandLayer(raw), Files: d.Files})
						if err != nil {
							t.Fatal(err)
						}
						locked.DiffID = made.Record().DiffID.String()
					}
					img.Layers = append(img.Layers, locked)
				}
				l.Images = append(l.Images, img)
			}
		}
	}
	return l
}

func requests(d *definition.Definition, l *lock.Lock) []Request {
	var out []Request
	for _, img := range l.Images {
		out = append(out, Request{Definition: d, Lock: l, Image: img})
	}
	return out
}

// A layer that the store has may be another engine's: made anew it is not taken.
func TestNativeAnew(t *testing.T) {
	d := noShim(t)
	l := lockOf(t, d)
	n, _, _ := newNative(t)
	want, err := n.Build(t.Context(), requests(d, l)[:1])
	if err != nil {
		t.Fatal(err)
	}
	p, err := newPlan(requests(d, l)[:1], n.Compression, n.Shim)
	if err != nil {
		t.Fatal(err)
	}
	for _, j := range p.jobs {
		other, err := assemble.Layer(t.Context(), n.Store, layer.Gzip, assemble.Spec{Layer: definition.Layer{Name: "other", Files: []definition.File{{Path: "/other", Content: "other"}}}})
		if err != nil {
			t.Fatal(err)
		}
		if err := other.Remember(j.key); err != nil {
			t.Fatal(err)
		}
	}
	for _, anew := range []bool{false, true} {
		n.Anew = anew
		got, err := n.Build(t.Context(), requests(d, l)[:1])
		if err != nil {
			t.Fatal(err)
		}
		if same := digest(t, got[0]) == digest(t, want[0]); same != anew {
			t.Errorf("with %v the image is the same: %v", anew, same)
		}
	}
}

func TestImage(t *testing.T) {
	d := parse(t, tiny)
	l := lockOf(t, d)
	n, _, _ := newNative(t)
	images, err := n.Build(t.Context(), requests(d, l)[:2])
	if err != nil {
		t.Fatal(err)
	}
	img := images[0]
	if err := validate.Image(img); err != nil {
		t.Error(err)
	}
	for file, raw := range map[string]func() ([]byte, error){"config.json": img.RawConfigFile, "manifest.json": img.RawManifest} {
		b, err := raw()
		if err != nil {
			t.Fatal(err)
		}
		var v any
		if err := json.Unmarshal(b, &v); err != nil {
			t.Fatal(err)
		}
		pretty, err := json.MarshalIndent(v, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		inputtest.Golden(t, file, string(pretty)+"\n")
	}
	index, err := Index(images, d.Platforms)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(index); err != nil {
		t.Error(err)
	}
	b, err := index.RawManifest()
	if err != nil {
		t.Fatal(err)
	}
	inputtest.Golden(t, "index.json", string(b)+"\n")
}

// The names of layers must come through the library that composes images:
// package push shows them.
func TestLayersHaveNames(t *testing.T) {
	d := parse(t, tiny)
	n, _, _ := newNative(t)
	images, err := n.Build(t.Context(), requests(d, lockOf(t, d))[:1])
	if err != nil {
		t.Fatal(err)
	}
	layers, err := images[0].Layers()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, l := range layers {
		named, ok := l.(interface{ Name() string })
		if !ok {
			t.Fatalf("a %T has no name", l)
		}
		names = append(names, named.Name())
	}
	if got := strings.Join(names, " "); got != "base version shim" {
		t.Errorf("the layers are %s", got)
	}
}

// All images of a definition in one go: in the order asked for, each layer
// made once however many have it, and nothing made the second time.
func TestSharedLayersAreMadeOnce(t *testing.T) {
	d := parse(t, tiny)
	l := lockOf(t, d)
	n, shim, _ := newNative(t)
	all := requests(d, l)
	seen := &steps{}
	images, err := n.Build(progress.With(t.Context(), seen), all)
	if err != nil {
		t.Fatal(err)
	}
	// base once; version for two versions and two platforms; the shim for two.
	if b, v, s := seen.count("layer base"), seen.count("layer version"), seen.count("layer shim"); b != 1 || v != 4 || s != 2 {
		t.Errorf("made base %d, version %d, shim %d times: %q", b, v, s, seen.names)
	}
	for i, img := range images {
		c, err := img.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		want := all[i].Image
		if got := c.OS + "/" + c.Architecture; got != want.Platform || c.Config.Labels["org.opencontainers.image.version"] != want.Version {
			t.Errorf("image %d is %s %s, want %s %s", i, c.Config.Labels["org.opencontainers.image.version"], got, want.Version, want.Platform)
		}
	}
	seen = &steps{}
	again, err := n.Build(progress.With(t.Context(), seen), all)
	if err != nil {
		t.Fatal(err)
	}
	if len(seen.names) > 0 || shim.built.Load() != 2 {
		t.Errorf("the second time: %q, %d shims", seen.names, shim.built.Load())
	}
	for i := range images {
		if digest(t, images[i]) != digest(t, again[i]) {
			t.Errorf("image %d differs the second time", i)
		}
	}
	// Another store, another compression of the same files: the same diffIDs.
	other, _, _ := newNative(t)
	other.Compression = layer.Zstd
	packed, err := other.Build(t.Context(), all)
	if err != nil {
		t.Fatal(err)
	}
	for i := range images {
		a, errA := images[i].ConfigName()
		b, errB := packed[i].ConfigName()
		if err := errors.Join(errA, errB); err != nil || a != b {
			t.Errorf("image %d has another config with zstd: %v", i, err)
		}
	}
}

func TestRevision(t *testing.T) {
	d := parse(t, tiny)
	l := lockOf(t, d)
	seen := map[string]bool{}
	for _, img := range l.Images {
		r := revision(img)
		if seen[r] || !strings.HasPrefix(r, "sha256:") {
			t.Errorf("revision %s is not of one image alone", r)
		}
		seen[r] = true
	}
}

func TestMismatch(t *testing.T) {
	d := parse(t, tiny)
	l := lockOf(t, d)
	want := l.Images[0].Layers[1].DiffID
	wrong := fmt.Sprintf("sha256:%064d", 7)
	l.Images[0].Layers[1].DiffID = wrong
	n, _, _ := newNative(t)
	for range 2 { // the wrong layer must not be found the second time
		_, err := n.Build(t.Context(), requests(d, l)[:1])
		mismatch, ok := errors.AsType[*MismatchError](err)
		if !ok {
			t.Fatalf("got %v", err)
		}
		if *mismatch != (MismatchError{Layer: "version", Image: "tiny", Platform: "linux/amd64", Want: wrong, Got: want}) {
			t.Errorf("got %+v", mismatch)
		}
	}
}

// A lock that has other layers than the definition, or lacks an input.
func TestPlanRefuses(t *testing.T) {
	d := parse(t, tiny)
	for want, change := range map[string]func(*lock.Image){
		"no variant \"fat\"":                             func(i *lock.Image) { i.Variant = "fat" },
		"has 3 layers, the lock 2":                       func(i *lock.Image) { i.Layers = i.Layers[:2] },
		"no input deb:libc6@1/amd64":                     func(i *lock.Image) { i.Layers[0].Inputs = []string{"deb:libc6@1/amd64"} },
		"layer base, the lock has settings in its place": func(i *lock.Image) { i.Layers[0].Name = "settings" },
	} {
		l := lockOf(t, d)
		change(&l.Images[0])
		n, _, _ := newNative(t)
		if _, err := n.Build(t.Context(), requests(d, l)[:1]); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func digest(t *testing.T, img v1.Image) v1.Hash {
	t.Helper()
	h, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func sum(b []byte) string { return fmt.Sprintf("%x", sha256.Sum256(b)) }
