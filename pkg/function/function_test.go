package function

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/imgbuild/imgbuild/pkg/build"
	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/fetch"
	"github.com/imgbuild/imgbuild/pkg/layer"
	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/mirror"
	"github.com/imgbuild/imgbuild/pkg/store"
	"github.com/imgbuild/imgbuild/pkg/toolbox"
)

// workshop is what all tests with real parts share: a store with the tools.
type workshop struct {
	dir     string
	store   *store.Store
	fetcher *fetch.Fetcher
	mirrors *mirror.Mirrors
	golang  lock.Input
}

var shared = sync.OnceValues(func() (*workshop, error) {
	dir := os.Getenv("IMGBUILD_TEST_STORE")
	w := &workshop{}
	var err error
	if dir == "" {
		if dir, err = os.MkdirTemp("", "function-test-*"); err != nil {
			return nil, err
		}
		w.dir = dir
	}
	if w.store, err = store.Open(dir); err != nil {
		return nil, err
	}
	if w.mirrors, err = mirror.New(mirror.Options{}); err != nil {
		return nil, err
	}
	if w.fetcher, err = fetch.New(w.store, w.mirrors); err != nil {
		return nil, err
	}
	_, l, err := load("golang")
	if err != nil {
		return nil, err
	}
	w.golang, err = build.Toolchain(l)
	return w, err
})

func load(name string) (*definition.Definition, *lock.Lock, error) {
	d, err := definition.Load(name)
	if err != nil {
		return nil, nil, err
	}
	l, err := lock.Load(d)
	return d.Definition, l, err
}

func TestMain(m *testing.M) {
	code := m.Run()
	if w, err := shared(); err == nil && w.dir != "" {
		os.RemoveAll(w.dir)
	}
	os.Exit(code)
}

// maker makes functions with the shared store; its notes are in the text.
func maker(t testing.TB) (*Maker, *workshop, *strings.Builder) {
	t.Helper()
	w, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	var notes strings.Builder
	m := &Maker{Store: w.store, Fetch: w.fetcher.Fetch, Mirrors: w.mirrors, Compression: layer.Gzip}
	m.Note = func(format string, args ...any) { fmt.Fprintf(&notes, format+"\n", args...) }
	return m, w, &notes
}

// tools are those of the newest image of the name.
func (w *workshop) tools(name string) func(context.Context) (*toolbox.NodeTools, error) {
	return func(ctx context.Context) (*toolbox.NodeTools, error) {
		d, l, err := load(name)
		if err != nil {
			return nil, err
		}
		all, err := lock.Select(d, l, lock.Query{Platforms: []string{toolbox.ThisMachine()}})
		if err != nil {
			return nil, err
		}
		return toolbox.Node(ctx, w.store, d, l, all[0].Platforms[0], w.fetcher.All)
	}
}

// fakeBase is an image with files: a path, and for a link " -> TARGET".
func fakeBase(t testing.TB, paths ...string) Base {
	t.Helper()
	m, _, _ := plainMaker(t)
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	l, err := layer.Build(m.Store, layer.Gzip, func(sink layer.Sink) error {
		for _, p := range paths {
			name, link, isLink := strings.Cut(p, " -> ")
			h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o755}
			if isLink {
				h.Typeflag, h.Linkname = tar.TypeSymlink, link
			}
			if err := sink.Add(h, strings.NewReader("")); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if img, err = mutate.AppendLayers(img, l); err != nil {
		t.Fatal(err)
	}
	file, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	file = file.DeepCopy()
	file.OS, file.Architecture = "linux", "amd64"
	file.Config = v1.Config{
		Entrypoint: []string{"/usr/local/bin/shim"}, Env: []string{"PATH=/bin", "A=1"},
		Labels: map[string]string{"org.opencontainers.image.title": "the base", "team": "mine"},
	}
	if img, err = mutate.ConfigFile(img, file); err != nil {
		t.Fatal(err)
	}
	return Base{Image: img, Name: "base:1-slim"}
}

// plainMaker needs no tools.
func plainMaker(t testing.TB) (*Maker, *store.Store, *strings.Builder) {
	t.Helper()
	st, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var notes strings.Builder
	m := &Maker{Store: st, Compression: layer.Gzip}
	m.Note = func(format string, args ...any) { fmt.Fprintf(&notes, format+"\n", args...) }
	return m, st, &notes
}

// content lists a layer: path, mode, link, and the text of small files.
func content(t testing.TB, l v1.Layer) map[string]string {
	t.Helper()
	r, err := l.Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	files := map[string]string{}
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if err == io.EOF {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Uid != 0 || h.Gid != 0 || !h.ModTime.Equal(fileTime) {
			t.Errorf("%s: owner %d:%d, time %s", h.Name, h.Uid, h.Gid, h.ModTime)
		}
		if h.Typeflag == tar.TypeDir {
			continue
		}
		b, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		files[h.Name] = string(b)
		if h.Typeflag == tar.TypeSymlink {
			files[h.Name] = "-> " + h.Linkname
		}
	}
}

func digest(t testing.TB, l v1.Layer) string {
	t.Helper()
	h, err := l.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return h.String()
}

// tidy says whether the store's folder for work that goes on is empty.
func tidy(t testing.TB, st *store.Store) {
	t.Helper()
	if left, _ := filepath.Glob(filepath.Join(st.Root(), "tmp", "*")); len(left) > 0 {
		t.Errorf("left in the store: %q", left)
	}
}
