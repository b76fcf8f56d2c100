package container_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/container"
	"github.com/imgbuild/imgbuild/pkg/shim/conformance"
	"github.com/imgbuild/imgbuild/pkg/shim/conformance/local"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// scratch goes away after the tests. Plain users can read it.
var scratch string

func TestMain(m *testing.M) {
	container.Main()
	if os.Getenv("CONTAINER_TEST_VICTIM") != "" {
		victim()
	}
	var err error
	if scratch, err = os.MkdirTemp("", "container-*"); err != nil {
		panic(err)
	}
	if err := os.Chmod(scratch, 0o755); err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(scratch)
	os.Exit(code)
}

// compiled is a static program, which the images have as /program: that of the
// conformance rules. A test that runs as another user brings it along.
var compiled = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("CONTAINER_TEST_PROGRAM"); path != "" {
		return path, nil
	}
	path := filepath.Join(scratch, "program")
	return path, local.Compile(context.Background(), testtool.ModuleRoot(), path, conformance.ProgramPackage, "-ldflags=-s -w")
})

// entry is a file of a layer: a folder where the name ends in a slash, a link
// where to is set.
type entry struct {
	name, content, to string
	mode              int64
	uid, gid          int
	kind              byte
	pax               map[string]string
}

func layerOf(t testing.TB, entries ...entry) v1.Layer {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Mode: e.mode, Uid: e.uid, Gid: e.gid, Linkname: e.to, Size: int64(len(e.content)), Typeflag: e.kind, PAXRecords: e.pax, ModTime: stamp}
		switch {
		case e.kind != 0:
		case strings.HasSuffix(e.name, "/"):
			h.Typeflag = tar.TypeDir
		case e.to != "":
			h.Typeflag = tar.TypeSymlink
		default:
			h.Typeflag = tar.TypeReg
		}
		if h.Mode == 0 {
			h.Mode = 0o755
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil }, tarball.WithCompressionLevel(gzip.NoCompression))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func imageOf(t testing.TB, config v1.Config, layers ...v1.Layer) v1.Image {
	t.Helper()
	img, err := mutate.AppendLayers(empty.Image, layers...)
	if err == nil {
		img, err = mutate.Config(img, config)
	}
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// programLayer has the test program.
var programLayer = sync.OnceValues(func() (v1.Layer, error) {
	path, err := compiled()
	if err != nil {
		return nil, err
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var t fatal
	return layerOf(t, entry{name: "program", content: string(b)}), nil
})

// programImage is an image with nothing but the test program and some files.
func programImage(t testing.TB, config v1.Config, more ...entry) v1.Image {
	t.Helper()
	l, err := programLayer()
	if err != nil {
		t.Fatal(err)
	}
	if config.Entrypoint == nil {
		config.Entrypoint = []string{"/program"}
	}
	return imageOf(t, config, l, layerOf(t, more...))
}

func openStore(t testing.TB) *store.Store {
	t.Helper()
	s, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func unpack(t testing.TB, s *store.Store, img v1.Image) *container.Rootfs {
	t.Helper()
	r, err := container.Unpack(t.Context(), s, img)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}
