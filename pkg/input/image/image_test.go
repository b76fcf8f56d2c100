package image

import (
	"io"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/input/inputtest"
	"github.com/imgbuild/imgbuild/pkg/lock"
)

func TestLockAndLayers(t *testing.T) {
	r := newRegistry(t)
	images := map[string]v1.Image{"linux/amd64": base(t, "linux/amd64"), "linux/arm64/v8": base(t, "linux/arm64")}
	ref := r.push(t, index(t, images))
	for platform, img := range map[string]v1.Image{"linux/amd64": images["linux/amd64"], "linux/arm64": images["linux/arm64/v8"]} {
		st := inputtest.Store(t)
		ins, err := Lock(t.Context(), st, ref, platform)
		if err != nil {
			t.Fatal(err)
		}
		checkInputs(t, ins, r.host, img)

		// With the registry gone, the store is all that is needed.
		asked := r.asked.Load()
		reversed := slices.Clone(ins)
		slices.Reverse(reversed)
		layers, err := Layers(t.Context(), st, reversed, Offline())
		if err != nil {
			t.Fatal(err)
		}
		checkLayers(t, layers, img)
		c, err := Config(t.Context(), st, ins, Offline())
		if err != nil || !slices.Equal(c.Config.Env, []string{"PLATFORM=" + platform}) {
			t.Errorf("config %+v, %v", c, err)
		}
		if now := r.asked.Load(); now != asked {
			t.Errorf("offline, the registry was asked %d times", now-asked)
		}

		// An empty store is filled from the lock alone.
		empty := inputtest.Store(t)
		if _, err := Layers(t.Context(), empty, ins, Offline()); err == nil || !strings.Contains(err.Error(), "without --offline") {
			t.Errorf("offline with an empty store: %v", err)
		}
		if layers, err = Layers(t.Context(), empty, ins); err != nil {
			t.Fatal(err)
		}
		checkLayers(t, layers, img)

		// The same image by its manifest gives the same lock.
		again, err := Lock(t.Context(), inputtest.Store(t), ins[0].Path, platform)
		if err != nil || !slices.EqualFunc(ins, again, func(a, b lock.Input) bool { return a.ID == b.ID && a.Size == b.Size && a.SHA256 == b.SHA256 }) {
			t.Errorf("by manifest: %v, %v", again, err)
		}
	}
}

func checkInputs(t *testing.T, ins []lock.Input, host string, img v1.Image) {
	t.Helper()
	d, _ := img.Digest()
	c, _ := img.ConfigName()
	m, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	size, _ := img.Size()
	// The third layer is the first one again.
	want := []struct {
		h    v1.Hash
		sep  string
		size int64
	}{{d, "@", size}, {c, "/blobs/", m.Config.Size}, {m.Layers[0].Digest, "/blobs/", m.Layers[0].Size}, {m.Layers[1].Digest, "/blobs/", m.Layers[1].Size}}
	if len(ins) != len(want) {
		t.Fatalf("%d inputs, want %d", len(ins), len(want))
	}
	for i, w := range want {
		in, path := ins[i], host+"/team/base"+w.sep+w.h.String()
		if in.ID != "image:"+path || in.Path != path || in.Kind != "image" || in.Archive != "" ||
			in.Name != host+"/team/base" || in.Version != w.h.String() || in.SHA256 != w.h.Hex || in.Size != w.size {
			t.Errorf("input %d is %+v, want %s of %d bytes", i, in, path, w.size)
		}
	}
}

func checkLayers(t *testing.T, got []v1.Layer, img v1.Image) {
	t.Helper()
	want, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want) {
		t.Fatalf("%d layers, want %d", len(got), len(want))
	}
	for i := range want {
		for what, f := range map[string]func(v1.Layer) (any, error){
			"digest":       func(l v1.Layer) (any, error) { return l.Digest() },
			"diffID":       func(l v1.Layer) (any, error) { return l.DiffID() },
			"size":         func(l v1.Layer) (any, error) { return l.Size() },
			"media type":   func(l v1.Layer) (any, error) { return l.MediaType() },
			"compressed":   func(l v1.Layer) (any, error) { return sum(l.Compressed()) },
			"uncompressed": func(l v1.Layer) (any, error) { return sum(l.Uncompressed()) },
		} {
			g, err := f(got[i])
			if err != nil {
				t.Errorf("layer %d: %s: %v", i, what, err)
			}
			if w, err := f(want[i]); err != nil || g != w {
				t.Errorf("layer %d: %s is %v, want %v (%v)", i, what, g, w, err)
			}
		}
	}
}

func sum(r io.ReadCloser, err error) (string, error) {
	if err != nil {
		return "", err
	}
	defer r.Close()
	h, _, err := v1.SHA256(r)
	return h.String(), err
}
