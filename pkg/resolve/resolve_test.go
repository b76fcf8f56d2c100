package resolve_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/imgbuild/imgbuild/pkg/build"
	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/input/inputtest"
	"github.com/imgbuild/imgbuild/pkg/layer"
	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/resolve"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// source is a mirror in memory that counts how often it is asked for layers' inputs.
type source struct {
	inputtest.Memory
	all atomic.Int32
}

func (s *source) All(ctx context.Context, ins []lock.Input) error {
	s.all.Add(1)
	for _, in := range ins {
		if _, err := s.Fetch(ctx, in); err != nil {
			return err
		}
	}
	return nil
}

func newResolver(t *testing.T) (*resolve.Resolver, *source) {
	t.Helper()
	s := inputtest.Store(t)
	src := &source{Memory: inputtest.Memory{Store: s}}
	return resolve.New(src, s), src
}

func parse(t *testing.T, yaml string) *definition.Definition {
	t.Helper()
	d, err := definition.Parse("image.yaml", []byte(yaml), func(string) ([]byte, error) { return nil, os.ErrNotExist })
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func marshal(t *testing.T, l *lock.Lock) []byte {
	t.Helper()
	b, err := l.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	// What is written must be what can be read.
	if _, err := lock.Read("image.lock", b); err != nil {
		t.Fatal(err)
	}
	return b
}

const files = `name: files
versions: {series: ["1.10", "1.9"]}
platforms: [linux/amd64, linux/arm64]
variants:
  - name: full
    layers:
      - name: same
        files: [{path: /etc/same, content: same}]
      - name: version
        files: [{path: /etc/version, content: "{version} {arch}"}]
      - name: shim
        shim: {}
    config: {cmd: [/x]}
  - name: slim
    suffix: -slim
    layers:
      - name: shim
        shim: {}
    config: {cmd: [/x]}
`

// Only files, or the shim alone: nothing is asked of any mirror, newest
// versions come first, layers alike are made once, and another run in another
// store gives the same bytes.
func TestFiles(t *testing.T) {
	d := parse(t, files)
	r, src := newResolver(t)
	l, err := r.Lock(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	if len(src.Asked) > 0 {
		t.Errorf("asked for %q", src.Asked)
	}
	if n := src.all.Load(); n != 1+4 {
		t.Errorf("made %d layers, want the same one and four others", n)
	}
	var got []string
	for _, img := range l.Images {
		got = append(got, img.Version+" "+img.Variant+" "+img.Platform)
		if shim := img.Layers[len(img.Layers)-1]; shim.DiffID != "" || shim.Name != "shim" {
			t.Errorf("the shim's layer is %+v", shim)
		}
	}
	want := []string{
		"1.10 full linux/amd64", "1.10 full linux/arm64", "1.10 slim linux/amd64", "1.10 slim linux/arm64",
		"1.9 full linux/amd64", "1.9 full linux/arm64", "1.9 slim linux/amd64", "1.9 slim linux/arm64",
	}
	if !slices.Equal(got, want) {
		t.Errorf("images %q, want %q", got, want)
	}
	if a, b := l.Images[0], l.Images[1]; a.Layers[0].DiffID != b.Layers[0].DiffID || a.Layers[1].DiffID == b.Layers[1].DiffID {
		t.Errorf("diffIDs %v and %v", a.Layers, b.Layers)
	}
	first := marshal(t, l)
	r, _ = newResolver(t)
	again, err := r.Lock(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(marshal(t, again), first) {
		t.Error("another run gives another lock")
	}
}

// TestExistingImage locks and builds on an image of several layers in a real
// registry: each of its layers is there as it was, under ours.
func TestExistingImage(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	base, err := random.Image(2000, 3)
	if err != nil {
		t.Fatal(err)
	}
	c, err := base.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	c = c.DeepCopy()
	c.OS, c.Architecture = "linux", "amd64"
	if base, err = mutate.ConfigFile(base, c); err != nil {
		t.Fatal(err)
	}
	digest, err := base.Digest()
	if err != nil {
		t.Fatal(err)
	}
	ref := strings.TrimPrefix(server.URL, "http://") + "/team/base@" + digest.String()
	target, err := name.NewDigest(ref)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(target, base); err != nil {
		t.Fatal(err)
	}
	d := parse(t, fmt.Sprintf(`name: own
versions: {series: ["1"]}
platforms: [linux/amd64]
variants:
  - name: full
    layers:
      - name: base
        image: {ref: %q}
      - name: hello
        files: [{path: /etc/hello, content: hello}]
    config: {cmd: [/x]}
`, ref))
	r, src := newResolver(t)
	l, err := r.Lock(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	marshal(t, l)
	locked := l.Images[0]
	// A manifest, a config and three layers; no diffID, for it has several.
	if len(locked.Layers[0].Inputs) != 5 || locked.Layers[0].DiffID != "" || locked.Size < 3*2000 {
		t.Errorf("locked %+v", locked)
	}
	for warm, st := range map[bool]*store.Store{true: src.Store, false: inputtest.Store(t)} {
		n := &build.Native{Store: st, Fetch: src, Compression: layer.Gzip, Shim: noShim{}}
		images, err := n.Build(t.Context(), []build.Request{{Definition: d, Lock: l, Image: locked}})
		if err != nil {
			t.Fatalf("warm %t: %v", warm, err)
		}
		if err := validate.Image(images[0]); err != nil {
			t.Error(err)
		}
		got, err := images[0].Layers()
		if err != nil {
			t.Fatal(err)
		}
		want, err := base.Layers()
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != 4 {
			t.Fatalf("%d layers, want 3 of the base and one", len(got))
		}
		for i := range want {
			g, errG := got[i].Digest()
			w, errW := want[i].Digest()
			if err := errors.Join(errG, errW); err != nil || g != w {
				t.Errorf("layer %d is %s, want %s as in the base: %v", i, g, w, err)
			}
		}
		c, err := images[0].ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		if b := c.Config.Labels["org.opencontainers.image.base.name"]; b+"@"+digest.String() != ref {
			t.Errorf("the base's name is %q", b)
		}
	}
}

// noShim serves definitions that have none.
type noShim struct{}

func (noShim) Key(string) string { return "" }
func (noShim) Build(context.Context, string) (v1.Hash, error) {
	return v1.Hash{}, errors.New("no shim")
}

// Errors name the definition and where in it the trouble is.
func TestErrors(t *testing.T) {
	for want, yaml := range map[string]string{
		"resolving a: 1 full for linux/amd64: layer os: ": `name: a
versions: {series: ["1"]}
platforms: [linux/amd64]
variants: [{name: full, layers: [{name: os, debian: {suite: trixie, packages: [bash]}}], config: {cmd: [/a]}}]
`,
	} {
		r, _ := newResolver(t)
		if _, err := r.Lock(t.Context(), parse(t, yaml)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
