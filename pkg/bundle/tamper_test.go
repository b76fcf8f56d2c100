package bundle

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/input/inputtest"
	"github.com/imgbuild/imgbuild/pkg/lock"
)

// entry is one file of a tar.
type entry struct {
	header  tar.Header
	content []byte
}

func readTar(t testing.TB, path string) (all []entry) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r := tar.NewReader(bytes.NewReader(b))
	for {
		h, err := r.Next()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, entry{*h, content})
	}
}

func tarOf(t testing.TB, all []entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range all {
		h := e.header
		h.Size = int64(len(e.content))
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(e.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A bundle that somebody has changed gives an error that names the bundle and
// what was asked for, and puts nothing into the store.
func TestTampered(t *testing.T) {
	w := newWorld(t)
	r := w.request(t, "golang", "beta")
	whole := w.file(t, r)
	in := r.Lock.Inputs[0]
	blob := "blobs/sha256/" + in.SHA256
	manifest := "blobs/sha256/" + digestOf(t, w.pack(t, r)).Hex
	find := func(all []entry, name string) *entry {
		i := slices.IndexFunc(all, func(e entry) bool { return e.header.Name == name })
		if i < 0 {
			t.Fatalf("there is no %s", name)
		}
		return &all[i]
	}
	for name, tc := range map[string]struct {
		change func(all []entry) []entry
		raw    func(b []byte) []byte
		want   string
	}{
		"a bit of the input": {change: func(all []entry) []entry { find(all, blob).content[77] ^= 4; return all }, want: "has other content"},
		"a shorter input": {change: func(all []entry) []entry {
			e := find(all, blob)
			e.content = e.content[:len(e.content)-1]
			return all
		}, want: "has other content"},
		"a longer input": {change: func(all []entry) []entry {
			e := find(all, blob)
			e.content = append(e.content, 'x')
			return all
		}, want: "has other content"},
		"no input": {change: func(all []entry) []entry {
			return slices.DeleteFunc(all, func(e entry) bool { return e.header.Name == blob })
		}, want: "lacks the blob"},
		"a bit of the manifest": {change: func(all []entry) []entry { find(all, manifest).content[500] ^= 1; return all }, want: "other content"},
		"no manifest": {change: func(all []entry) []entry {
			return slices.DeleteFunc(all, func(e entry) bool { return e.header.Name == manifest })
		}, want: "lacks the manifest"},
		"no index":  {change: func(all []entry) []entry { find(all, "index.json").header.Name = "x.json"; return all }, want: "no index.json"},
		"cut":       {raw: func(b []byte) []byte { return b[:len(b)/2] }, want: "unexpected EOF"},
		"empty":     {raw: func([]byte) []byte { return nil }, want: "no index.json"},
		"no tar":    {raw: func(b []byte) []byte { return bytes.Repeat([]byte("junk"), 5000) }, want: "neither a folder nor a tar"},
		"all zeros": {raw: func(b []byte) []byte { return make([]byte, len(b)) }, want: "no index.json"},
		"another size in the manifest": {change: func(all []entry) []entry {
			return remade(t, all, manifest, func(m *v1.Manifest) {
				for i := range m.Layers {
					if m.Layers[i].Digest == hash(in) {
						m.Layers[i].Size++
					}
				}
			})
		}, want: "it states 50001 bytes"},
		"not a bundle": {change: func(all []entry) []entry {
			return remade(t, all, manifest, func(m *v1.Manifest) { m.Annotations = nil })
		}, want: "it is an image and no bundle"},
		"of another version": {change: func(all []entry) []entry {
			return remade(t, all, manifest, func(m *v1.Manifest) { m.Annotations[annotationBundle] = "2" })
		}, want: "use a newer imgbuild"},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := os.ReadFile(whole)
			if tc.change != nil {
				b = tarOf(t, tc.change(readTar(t, whole)))
			} else {
				b = tc.raw(b)
			}
			ref := filepath.Join(t.TempDir(), "bundle.tar")
			if err := errors.Join(err, os.WriteFile(ref, b, 0o644)); err != nil {
				t.Fatal(err)
			}
			st := inputtest.Store(t)
			_, err = Fetcher(&world{store: st, err: gone}, open(t, st, ref)).Fetch(t.Context(), in)
			for _, want := range []string{tc.want, ref, "alpha 1: ", "404 Not Found"} {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v\nwant %q", err, want)
				}
			}
			if _, ok := st.Has(hash(in)); ok {
				t.Error("the store has something")
			}
			if left, _ := os.ReadDir(filepath.Join(st.Root(), "tmp")); len(left) > 0 {
				t.Errorf("%v is left", left)
			}
		})
	}
}

func digestOf(t *testing.T, p *Packed) v1.Hash {
	t.Helper()
	h, err := p.Image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// remade changes the manifest so that all digests are right again: what a
// hostile bundle may be.
func remade(t *testing.T, all []entry, manifest string, change func(m *v1.Manifest)) []entry {
	t.Helper()
	var old, now string
	for i := range all {
		if e := &all[i]; e.header.Name == manifest {
			m, err := v1.ParseManifest(bytes.NewReader(e.content))
			if err != nil {
				t.Fatal(err)
			}
			old = strings.TrimPrefix(manifest, "blobs/sha256/")
			change(m)
			if e.content, err = json.Marshal(m); err != nil {
				t.Fatal(err)
			}
			h, _, err := v1.SHA256(bytes.NewReader(e.content))
			if err != nil {
				t.Fatal(err)
			}
			now = h.Hex
			e.header.Name = "blobs/sha256/" + now
		}
	}
	for i := range all {
		if e := &all[i]; e.header.Name == "index.json" {
			e.content = bytes.ReplaceAll(e.content, []byte(old), []byte(now))
		}
	}
	return all
}

// What is unpacked is a definition that builds with the same lock, and the keys.
func TestUnpack(t *testing.T) {
	w := newWorld(t)
	r := w.request(t, "golang", "beta")
	ref := w.file(t, r)
	dir := filepath.Join(t.TempDir(), "out")
	b := open(t, inputtest.Store(t), ref)
	if err := b.Unpack(t.Context(), dir+"/"); err != nil {
		t.Fatal(err)
	}
	d, err := definition.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	l, err := lock.Load(d)
	if err != nil || l.Sum != r.Lock.Sum || d.Digest() != r.Definition.Digest() {
		t.Errorf("the lock %s, %v; want %s", l.Sum, err, r.Lock.Sum)
	}
	for _, file := range []string{"scripts/run.sh", "keyrings/README.txt", "keyrings/npm/keys.json", "keyrings/debian/debian-archive-trixie-stable.gpg"} {
		if fi, err := os.Stat(filepath.Join(dir, file)); err != nil || fi.Size() == 0 {
			t.Errorf("%s: %v", file, err)
		}
	}
	// It packs to the same bundle again.
	again := load(t, dir)
	again.Lock, again.Toolchains = l, r.Toolchains
	if a, b := digestOf(t, w.pack(t, r)), digestOf(t, w.pack(t, again)); a != b {
		t.Errorf("packed again it is %s, was %s", b, a)
	}
	if err := b.Unpack(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "name a folder that is not there yet") {
		t.Errorf("over what is there: %v", err)
	}
	if left, _ := os.ReadDir(filepath.Dir(dir)); len(left) != 1 {
		t.Errorf("%v is left", left)
	}
	two := open(t, inputtest.Store(t), w.file(t, r, w.request(t, "node", "gamma")))
	if err := two.Unpack(t.Context(), dir+"2"); err == nil || !strings.Contains(err.Error(), "name one of") || !strings.Contains(err.Error(), "of node") {
		t.Errorf("of two bundles: %v", err)
	}
	one := open(t, inputtest.Store(t), two.String()+":node:bundle")
	if err := one.Unpack(t.Context(), dir+"2"); err != nil {
		t.Error(err)
	}
}

// Bundles that lie about themselves.
func TestUnpackRefuses(t *testing.T) {
	w := newWorld(t)
	r := w.request(t, "golang", "beta")
	whole := w.file(t, r)
	manifest := "blobs/sha256/" + digestOf(t, w.pack(t, r)).Hex
	for name, tc := range map[string]struct {
		change func(m *v1.Manifest)
		want   string
	}{
		"lacks an input": {func(m *v1.Manifest) { m.Layers = m.Layers[:2] }, "the bundle lacks "},
		"another lock":   {func(m *v1.Manifest) { m.Annotations[annotationLock] = "sha256:0" }, "the bundle says that it is of golang with the lock sha256:0"},
		"another name":   {func(m *v1.Manifest) { m.Annotations[annotationDefinition] = "node" }, "the bundle says that it is of node"},
		"no folder":      {func(m *v1.Manifest) { m.Layers = m.Layers[1:] }, "its first layer is a"},
		"a huge folder":  {func(m *v1.Manifest) { m.Layers[0].Size = maxFolder + 1 }, "its first layer is a"},
		"an odd layer":   {func(m *v1.Manifest) { m.Layers[3].MediaType = "text/plain" }, "its layer 3 is a"},
		"a layer twice":  {func(m *v1.Manifest) { m.Layers = append(m.Layers, m.Layers[2]) }, "is there twice"},
		"elsewhere":      {func(m *v1.Manifest) { m.Layers[2].URLs = []string{"https://example.com"} }, "is elsewhere"},
		"no size":        {func(m *v1.Manifest) { m.Layers[2].Size = 0 }, "states 0 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			ref := filepath.Join(t.TempDir(), "bundle.tar")
			if err := os.WriteFile(ref, tarOf(t, remade(t, readTar(t, whole), manifest, tc.change)), 0o644); err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			err := open(t, inputtest.Store(t), ref).Unpack(t.Context(), dir+"/out")
			if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), ref) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			if left, _ := os.ReadDir(dir); len(left) > 0 {
				t.Errorf("%v is left", left)
			}
		})
	}
}
