package emulator_test

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/container"
	"github.com/imgbuild/imgbuild/pkg/emulator"
	"github.com/imgbuild/imgbuild/pkg/shim/conformance/local"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// scratch goes away after the tests.
var scratch string

func TestMain(m *testing.M) {
	container.Main()
	emulator.Main()
	if os.Getenv("EMULATOR_TEST_VICTIM") != "" {
		victim()
	}
	var err error
	if scratch, err = os.MkdirTemp("", "emulator-*"); err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(scratch)
	os.Exit(code)
}

// compiled is the test program.
var compiled = sync.OnceValues(func() (string, error) {
	path := filepath.Join(scratch, "program")
	return path, local.Compile(context.Background(), testtool.ModuleRoot(), path, "./pkg/emulator/testdata/program", "-ldflags=-s -w")
})

func program(t testing.TB) string {
	t.Helper()
	path, err := compiled()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// image has the test program and nothing else.
func image(t testing.TB) v1.Image {
	t.Helper()
	tar := filepath.Join(t.TempDir(), "layer.tar")
	writeTar(t, tar, program(t))
	l, err := tarball.LayerFromFile(tar, tarball.WithCompressionLevel(1))
	if err != nil {
		t.Fatal(err)
	}
	img, err := mutate.AppendLayers(empty.Image, l)
	if err == nil {
		img, err = mutate.ConfigFile(img, &v1.ConfigFile{
			OS: "linux", Architecture: "amd64", Config: v1.Config{Entrypoint: []string{"/program"}, ExposedPorts: map[string]struct{}{"8080/tcp": {}}},
			RootFS: must(img.ConfigFile()).RootFS, History: must(img.ConfigFile()).History,
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// native is the image as a runtime, with an OCI one where TestOCIRuntimes says so.
func native(t testing.TB) emulator.Native {
	t.Helper()
	if err := container.Available(t.Context()); err != nil {
		testtool.Lacking(t, err.Error())
	}
	s, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	r, err := container.Unpack(t.Context(), s, image(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return emulator.Native{Rootfs: r, Runtime: os.Getenv("EMULATOR_TEST_RUNTIME")}
}

// folder is the program as a code package.
func folder(t testing.TB) emulator.Folder {
	t.Helper()
	dir := t.TempDir()
	b, err := os.ReadFile(program(t))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "bootstrap"), b, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	return emulator.Folder{Dir: dir}
}
