package shimbuild

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/input/gotoolchain"
	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// goVersion is the toolchain that the tests compile with.
const goVersion = "1.27.3"

func openStore(t *testing.T) *store.Store {
	t.Helper()
	st, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// real brings a real toolchain for this machine into a store once, and says
// what a lock says of it.
var real = sync.OnceValues(func() (*toolchain, error) {
	dir, err := os.MkdirTemp("", "shimbuild-test-*")
	if err != nil {
		return nil, err
	}
	st, err := store.Open(dir)
	if err != nil {
		return nil, err
	}
	in, err := gotoolchain.Lock(context.Background(), st, "", goVersion, "linux/"+runtime.GOARCH)
	return &toolchain{st, in, dir}, err
})

type toolchain struct {
	st  *store.Store
	in  lock.Input
	dir string
}

func TestMain(m *testing.M) {
	code := m.Run()
	if r, err := real(); err == nil {
		os.RemoveAll(r.dir)
	}
	os.Exit(code)
}

// options compile for a platform in st, with the real toolchain.
func options(t *testing.T, st *store.Store, platform string) Options {
	t.Helper()
	r, err := real()
	if err != nil {
		t.Fatal(err)
	}
	return Options{Store: st, Toolchain: r.in, Platform: platform, Fetch: func(_ context.Context, in lock.Input) (v1.Hash, error) {
		h := v1.Hash{Algorithm: "sha256", Hex: in.SHA256}
		if _, ok := st.Has(h); ok {
			return h, nil
		}
		return h, os.Link(r.st.Path(h), st.Path(h))
	}}
}

func build(t *testing.T, o Options) v1.Hash {
	t.Helper()
	start := time.Now()
	h, err := Build(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	size, _ := o.Store.Has(h)
	t.Logf("%s: %s, %d bytes, in %s", o.Platform, h, size, time.Since(start).Round(time.Millisecond))
	if size > 6_500_000 {
		t.Errorf("the shim has %d bytes, at most 6.5 MB are allowed", size)
	}
	return h
}

// TestReproducible compiles in two empty stores, in other places, with other
// settings of the machine, and compares bit for bit.
func TestReproducible(t *testing.T) {
	testtool.Whole(t)
	first, second := openStore(t), openStore(t)
	want := map[string]v1.Hash{}
	for _, platform := range []string{"linux/amd64", "linux/arm64"} {
		want[platform] = build(t, options(t, first, platform))
	}
	old := syscall.Umask(0o077)
	defer syscall.Umask(old)
	for name, value := range map[string]string{
		"TZ": "Asia/Shanghai", "GOMAXPROCS": "1", "GOFLAGS": "-race", "CGO_ENABLED": "1", "GOAMD64": "v3",
		"GOEXPERIMENT": "nosuch", "HOME": t.TempDir(), "GOPROXY": "https://mirror.example", "GOTOOLCHAIN": "go1.2.3", "GODEBUG": "x=1",
	} {
		t.Setenv(name, value)
	}
	for platform, h := range want {
		if got := build(t, options(t, second, platform)); got != h {
			t.Errorf("%s: %s in one store, %s in the other", platform, h, got)
		}
	}
	t.Run("version", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "shim")
		b, err := os.ReadFile(first.Path(want["linux/"+runtime.GOARCH]))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o755); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(path, "--version").Output()
		if err != nil || !strings.Contains(string(out), "go"+goVersion) || strings.Contains(string(out), "unknown") {
			t.Errorf("--version: %q, %v", out, err)
		}
	})
	t.Run("cached", func(t *testing.T) {
		o := options(t, first, "linux/amd64")
		o.Fetch = func(context.Context, lock.Input) (v1.Hash, error) { return v1.Hash{}, errors.New("fetched again") }
		if build(t, o) != want["linux/amd64"] {
			t.Error("another shim came from the store")
		}
	})
	t.Run("damaged", func(t *testing.T) {
		damage(t, first.Path(want["linux/amd64"]))
		flipped := 0
		err := filepath.WalkDir(filepath.Join(first.Root(), "go-build"), func(p string, d os.DirEntry, err error) error {
			if err == nil && strings.HasSuffix(p, "-d") && !d.IsDir() {
				// Not all of them, which would take a whole compile.
				if fi, _ := d.Info(); fi.Size() > 0 && strings.HasPrefix(d.Name(), "5") {
					damage(t, p)
					flipped++
				}
			}
			return err
		})
		if err != nil || flipped == 0 {
			t.Fatal(flipped, err)
		}
		if build(t, options(t, first, "linux/amd64")) != want["linux/amd64"] {
			t.Error("a damaged store gave another shim")
		}
	})
	left, _ := os.ReadDir(filepath.Join(first.Root(), "tmp"))
	if len(left) > 0 {
		t.Errorf("%s and others were left in the store's tmp", left[0])
	}
}

// damage flips a bit in the middle of a file, as a disk does: long after the file
// was written.
func damage(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := errors.Join(os.Chmod(path, 0o644), os.WriteFile(path, b, 0o644), os.Chtimes(path, time.Time{}, time.Now().Add(-time.Hour))); err != nil {
		t.Fatal(err)
	}
}

func TestKey(t *testing.T) {
	base := Options{Toolchain: lock.Input{Version: "1.27.3", H1: "h1:a", SHA256: "b"}, Platform: "linux/amd64"}
	seen := map[string]bool{Key(base): true}
	for _, change := range []func(*Options){
		func(o *Options) { o.Toolchain.Version = "1.27.4" },
		func(o *Options) { o.Toolchain.H1 = "h1:c" },
		func(o *Options) { o.Toolchain.SHA256 = "d" },
		func(o *Options) { o.Platform = "linux/arm64" },
	} {
		o := base
		change(&o)
		if k := Key(o); seen[k] {
			t.Errorf("the key does not tell %+v apart", o)
		} else {
			seen[k] = true
		}
	}
	best := time.Hour // of many: the machine may be busy
	for range 1000 {
		start := time.Now()
		Key(base)
		best = min(best, time.Since(start))
	}
	if best > time.Millisecond {
		t.Errorf("Key takes %s, want under 1 ms", best)
	}
}

func TestBadPlatform(t *testing.T) {
	for _, p := range []string{"", "linux", "linux/386", "darwin/arm64", "linux/arm64/v8"} {
		if _, err := Build(t.Context(), Options{Store: openStore(t), Platform: p}); err == nil || !strings.Contains(err.Error(), "want linux/amd64 or linux/arm64") {
			t.Errorf("%q: %v", p, err)
		}
	}
}

// TestCancelled stops a compile in the middle: nothing is left, and the next
// one is not held up.
func TestCancelled(t *testing.T) {
	testtool.Whole(t)
	st := openStore(t)
	o := options(t, st, "linux/amd64")
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	start := time.Now()
	_, err := Build(ctx, o)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v", err)
	}
	if d := time.Since(start); d > 30*time.Second {
		t.Errorf("it took %s to stop", d)
	}
	if left, _ := os.ReadDir(filepath.Join(st.Root(), "tmp")); len(left) > 0 {
		t.Errorf("%s was left in tmp", left[0])
	}
	unlock, err := st.Lock(t.Context(), lockName)
	if err != nil {
		t.Fatal(err)
	}
	unlock()
}
