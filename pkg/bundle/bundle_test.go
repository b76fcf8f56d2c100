package bundle

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/fetch"
	"github.com/imgbuild/imgbuild/pkg/input/inputtest"
	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/output"
	"github.com/imgbuild/imgbuild/pkg/source"
	"github.com/imgbuild/imgbuild/pkg/store"
)

func TestMain(m *testing.M) {
	// No test may find the credentials of whoever runs it.
	home, err := os.MkdirTemp("", "bundle-test-home-")
	if err != nil {
		panic(err)
	}
	for _, k := range []string{"HOME", "DOCKER_CONFIG", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"} {
		os.Setenv(k, home)
	}
	os.Unsetenv("REGISTRY_AUTH_FILE")
	code := m.Run()
	os.RemoveAll(home)
	os.Exit(code)
}

// world is a mirror with files of random bytes, and definitions of them.
type world struct {
	files map[string][]byte // SHA-256 → content

	mu    sync.Mutex
	store *store.Store
	asked []string // ids
	err   error    // what the mirror answers in place of files
}

func newWorld(t testing.TB) *world {
	return &world{files: map[string][]byte{}, store: inputtest.Store(t)}
}

// at is the same mirror for another store.
func (w *world) at(st *store.Store) *world { return &world{files: w.files, store: st} }

func (w *world) Fetch(_ context.Context, in lock.Input) (v1.Hash, error) {
	h := hash(in)
	if _, ok := w.store.Has(h); ok {
		return h, nil
	}
	w.mu.Lock()
	w.asked = append(w.asked, in.ID)
	err := w.err
	w.mu.Unlock()
	if err != nil {
		return v1.Hash{}, err
	}
	blob, err := w.store.Create()
	if err != nil {
		return v1.Hash{}, err
	}
	defer blob.Discard()
	if _, err := blob.Write(w.files[in.SHA256]); err != nil {
		return v1.Hash{}, err
	}
	return blob.Commit(h)
}

func (w *world) All(ctx context.Context, ins []lock.Input) error {
	for _, in := range ins {
		if _, err := w.Fetch(ctx, in); err != nil {
			return err
		}
	}
	return nil
}

// input makes a file of so many bytes; the same name gives the same bytes.
func (w *world) input(kind, name, arch string, size int) lock.Input {
	b := make([]byte, size)
	rand.NewChaCha8(sha256.Sum256([]byte(kind + name + arch))).Read(b)
	sum := sha256.Sum256(b)
	in := lock.Input{Kind: kind, Name: name, Version: "1", Size: int64(size), SHA256: hex.EncodeToString(sum[:]), SignedBy: []string{"a key"}}
	switch kind {
	case lock.KindDebian:
		in.ID, in.Archive, in.Path = "deb:"+name+"@1/"+arch, "debian", "pool/"+name+"_1_"+arch+".deb"
	case lock.KindGo:
		in.ID, in.Archive, in.Path = "go:1/linux-"+arch, "go", "golang.org/toolchain/@v/v0.0.1-go1.linux-"+arch+".zip"
		in.H1 = "h1:" + base64.StdEncoding.EncodeToString(make([]byte, 32))
	case lock.KindNPM:
		in.ID, in.Archive, in.Path = "npm:"+name+"@1", "npm", name+"/-/"+name+"-1.tgz"
		in.Integrity = "sha512-" + base64.StdEncoding.EncodeToString(make([]byte, 64))
	}
	w.files[in.SHA256] = b
	return in
}

const yaml = `name: %s
versions: {series: ["1"]}
platforms: [linux/amd64, linux/arm64]
variants:
  - name: full
    layers:
      - name: os
        debian: {suite: trixie, packages: [alpha], dependencies: false}
      - name: tool
        npm: {packages: [{package: tool, version: latest, to: /usr/lib/tool}]}
      - name: script
        files: [{path: /run.sh, source: scripts/run.sh, mode: "0755"}]
      - name: shim
        shim: {}
    config: {cmd: [/run.sh]}
`

// request is a definition of that name with its lock: alpha for both platforms,
// more for this definition alone, and a tool; and two toolchains.
func (w *world) request(t testing.TB, name, more string) Request {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	if err := os.MkdirAll(dir+"/scripts", 0o755); err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string]string{"image.yaml": fmt.Sprintf(yaml, name), "scripts/run.sh": "#!/bin/sh\n"} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	r := load(t, dir)
	d := r.Definition
	l := &lock.Lock{Definition: d.Digest()}
	tool := w.input(lock.KindNPM, "tool", "", 30_000)
	l.Inputs = append(l.Inputs, tool)
	for _, arch := range []string{"amd64", "arm64"} {
		os := []lock.Input{w.input(lock.KindDebian, "alpha", arch, 50_000), w.input(lock.KindDebian, more, arch, 20_000)}
		l.Inputs = append(l.Inputs, os...)
		diffID := func(layer string) string {
			sum := sha256.Sum256([]byte(layer + arch))
			return "sha256:" + hex.EncodeToString(sum[:])
		}
		l.Images = append(l.Images, lock.Image{Version: "1", Series: "1", Variant: "full", Platform: "linux/" + arch, Size: 100, Layers: []lock.Layer{
			{Name: "os", Inputs: []string{os[0].ID, os[1].ID}, DiffID: diffID("os")},
			{Name: "tool", Inputs: []string{tool.ID}, DiffID: diffID("tool")},
			{Name: "script", DiffID: diffID("script")},
			{Name: "shim"},
		}})
	}
	l.Inputs = sortedByID(l.Inputs)
	if err := l.WriteFile(filepath.Join(dir, "image.lock")); err != nil {
		t.Fatal(err)
	}
	return Request{Definition: d, Lock: l, Toolchains: []lock.Input{
		w.input(lock.KindGo, "golang.org/toolchain", "amd64", 90_000), w.input(lock.KindGo, "golang.org/toolchain", "arm64", 80_000),
	}}
}

func load(t testing.TB, dir string) Request {
	t.Helper()
	d, err := definition.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	return Request{Definition: d}
}

func sortedByID(ins []lock.Input) []lock.Input {
	return slices.SortedFunc(slices.Values(ins), func(a, b lock.Input) int { return strings.Compare(a.ID, b.ID) })
}

func (w *world) pack(t testing.TB, r Request) *Packed {
	t.Helper()
	p, err := Pack(t.Context(), w.store, w, r)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// file packs bundles of the requests into one file.
func (w *world) file(t testing.TB, rs ...Request) string {
	t.Helper()
	dest := filepath.Join(t.TempDir(), "bundle.tar")
	var images []output.Image
	for _, r := range rs {
		p := w.pack(t, r)
		if err := p.Fetch(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		images = append(images, output.Image{Name: r.Definition.Name, Tags: p.Tags, Image: p.Image})
	}
	if err := output.Write(t.Context(), output.Spec{Type: output.OCI, Dest: dest}, nil, images); err != nil {
		t.Fatal(err)
	}
	return dest
}

// bundle is a bundle for a store.
func open(t testing.TB, st *store.Store, ref string) *Bundle {
	t.Helper()
	n, err := source.Parse(ref)
	if err != nil {
		t.Fatal(err)
	}
	b := New(st, n)
	t.Cleanup(func() { b.Close() })
	return b
}

// all are the inputs of the request's bundle.
func all(t testing.TB, r Request) []lock.Input {
	t.Helper()
	return append(slices.Clone(r.Lock.Inputs), r.Toolchains...)
}

// gone is what a mirror says that has moved on.
var gone = &fetch.NotFoundError{URLs: []string{"https://mirror.example/x"}, Statuses: []string{"404 Not Found"}}

// What is packed depends on the request alone, and is what the golden file has.
func TestPack(t *testing.T) {
	w := newWorld(t)
	r := w.request(t, "golang", "beta")
	p := w.pack(t, r)
	if len(w.asked) != 0 {
		t.Errorf("packing fetched %v", w.asked)
	}
	raw, err := p.Image.RawManifest()
	if err != nil {
		t.Fatal(err)
	}
	inputtest.Golden(t, "manifest.json", indented(t, raw))
	config, err := p.Image.RawConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	inputtest.Golden(t, "config.json", indented(t, config))

	again := w.at(inputtest.Store(t))
	p2 := again.pack(t, again.request(t, "golang", "beta"))
	if err := p2.Fetch(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if raw2, _ := p2.Image.RawManifest(); !bytes.Equal(raw, raw2) {
		t.Error("the same request gives another manifest")
	}
	sum := r.Lock.Sum[7:23]
	if want := []string{"bundle-" + sum, "bundle"}; !slices.Equal(p.Tags, want) {
		t.Errorf("tags %v, want %v", p.Tags, want)
	}

	r.Platforms = []string{"linux/arm64"}
	one := w.pack(t, r)
	if want := []string{"bundle-" + sum + "-arm64", "bundle-arm64"}; !slices.Equal(one.Tags, want) {
		t.Errorf("tags %v, want %v", one.Tags, want)
	}
	c := contentsOf(t, one)
	for _, in := range all(t, r) {
		// Both toolchains stay: whoever builds for arm64 may do so on amd64.
		want := !strings.HasSuffix(in.ID, "/amd64")
		if _, got := c.inputs[hash(in)]; got != want {
			t.Errorf("%s is packed: %v", in.ID, got)
		}
	}
	r.Platforms = []string{"linux/s390x"}
	if _, err := Pack(t.Context(), w.store, w, r); err == nil || !strings.Contains(err.Error(), "it has linux/amd64, linux/arm64") {
		t.Errorf("unknown platform: %v", err)
	}
	r.Platforms, r.Toolchains = nil, nil
	if _, err := Pack(t.Context(), w.store, w, r); err == nil {
		t.Error("a bundle without the shim's toolchain was packed")
	}
}

func contentsOf(t *testing.T, p *Packed) *contents {
	t.Helper()
	raw, err := p.Image.RawManifest()
	if err != nil {
		t.Fatal(err)
	}
	c, err := parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func indented(t *testing.T, raw []byte) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Indent(&b, raw, "", "  "); err != nil {
		t.Fatal(err)
	}
	return b.String() + "\n"
}
