package dockerfile_test

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/buildkit"
	"github.com/imgbuild/imgbuild/pkg/dockerfile"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// scratch has what all tests share and goes away after the last one. Its path is
// short: sockets are there.
var scratch string

var cleanUp []func()

func TestMain(m *testing.M) {
	var err error
	if scratch, err = os.MkdirTemp("", "df-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	for _, f := range cleanUp {
		f()
	}
	os.RemoveAll(scratch)
	os.Exit(code)
}

var sharedBuildKit = sync.OnceValues(func() (*testtool.BuildKit, error) {
	b, err := testtool.StartBuildKit(filepath.Join(scratch, "b"))
	if err == nil {
		cleanUp = append(cleanUp, b.Close)
	}
	return b, err
})

// builder is the builder that all tests share.
func builder(t testing.TB) *buildkit.Builder {
	t.Helper()
	testtool.Whole(t)
	testtool.NeedRoot(t)
	testtool.Need(t, "runc", "runc")
	b, err := sharedBuildKit()
	if err != nil {
		t.Fatal(err)
	}
	return dial(t, b.Address, "")
}

func dial(t testing.TB, address, tls string) *buildkit.Builder {
	t.Helper()
	a, err := buildkit.ParseAddress(address, tls)
	if err != nil {
		t.Fatal(err)
	}
	b, err := buildkit.Dial(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

var sharedRegistry = sync.OnceValues(func() (*testtool.Registry, error) {
	dir := filepath.Join(scratch, "r")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	r, err := testtool.StartRegistry(dir)
	if err == nil {
		cleanUp = append(cleanUp, r.Close)
	}
	return r, err
})

// registry is the host of the registry that all tests share.
func registry(t testing.TB) string {
	t.Helper()
	testtool.Need(t, "docker-registry", "docker-registry")
	r, err := sharedRegistry()
	if err != nil {
		t.Fatal(err)
	}
	return r.Host
}

var tools sync.Map // of sync.OnceValues, by architecture

// tool is the program of the tests' images.
func tool(t testing.TB, arch string) []byte {
	t.Helper()
	once, _ := tools.LoadOrStore(arch, sync.OnceValues(func() ([]byte, error) {
		out := filepath.Join(scratch, "tool-"+arch)
		cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", out, "./testdata/tool")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
		if said, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%w: %s", err, said)
		}
		return os.ReadFile(out)
	}))
	b, err := once.(func() ([]byte, error))()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// shim is where imgbuild's images have theirs.
const shim = "/usr/local/bin/shim"

// baseImage is an image with the tests' program at /tool.
func baseImage(t testing.TB, arch string) v1.Image {
	t.Helper()
	program := tool(t, arch)
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Name: "tool", Mode: 0o755, Size: int64(len(program)), Typeflag: tar.TypeReg}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(program); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil },
		tarball.WithMediaType(types.OCILayer))
	if err != nil {
		t.Fatal(err)
	}
	img, err := mutate.AppendLayers(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON), l)
	if err != nil {
		t.Fatal(err)
	}
	c, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	c = c.DeepCopy()
	c.OS, c.Architecture = "linux", arch
	c.Config.Entrypoint = []string{shim}
	if img, err = mutate.ConfigFile(img, c); err != nil {
		t.Fatal(err)
	}
	return img
}

// baseIndex is baseImage for two platforms.
func baseIndex(t testing.TB) v1.ImageIndex {
	t.Helper()
	index := v1.ImageIndex(mutate.IndexMediaType(empty.Index, types.OCIImageIndex))
	for _, arch := range []string{"amd64", "arm64"} {
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: baseImage(t, arch), Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}}})
	}
	return index
}

// published pushes the base for two platforms and returns its name and digest.
func published(t testing.TB, path string) (ref, digest string) {
	t.Helper()
	ref = registry(t) + "/" + path
	r, err := name.ParseReference(ref)
	if err != nil {
		t.Fatal(err)
	}
	index := baseIndex(t)
	if err := remote.WriteIndex(r, index); err != nil {
		t.Fatal(err)
	}
	h, err := index.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return ref, h.String()
}

// native is this machine's platform.
var native = "linux/" + runtime.GOARCH

// newBuild is a build of a new folder with those files, by their names.
func newBuild(t testing.TB, files map[string]string) *dockerfile.Build {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return &dockerfile.Build{
		Context: dir, File: filepath.Join(dir, "Dockerfile"), Dockerfile: []byte(files["Dockerfile"]),
		Platforms: []string{native}, Image: true, Keychain: authn.DefaultKeychain,
	}
}

func newStore(t testing.TB) *store.Store {
	t.Helper()
	s, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// run builds, within a time that no test should need.
func run(t testing.TB, b *dockerfile.Build, on *buildkit.Builder) (*dockerfile.Result, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	return b.Run(ctx, newStore(t), on)
}

func mustRun(t testing.TB, b *dockerfile.Build, on *buildkit.Builder) *dockerfile.Result {
	t.Helper()
	r, err := run(t, b, on)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// filesOf are the files of an image and their texts.
func filesOf(t testing.TB, img v1.Image) map[string]string {
	t.Helper()
	rc := mutate.Extract(img)
	defer rc.Close()
	files := map[string]string{}
	for r := tar.NewReader(rc); ; {
		h, err := r.Next()
		if err == io.EOF {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		b, err := io.ReadAll(io.LimitReader(r, 1000))
		if err != nil {
			t.Fatal(err)
		}
		files[h.Name] = string(b)
	}
}

func wantIn(t testing.TB, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("it lacks %q: %s", p, text)
		}
	}
}
