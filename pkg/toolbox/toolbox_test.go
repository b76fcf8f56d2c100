package toolbox

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/input/gotoolchain"
	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/store"
)

func openStore(t *testing.T) *store.Store {
	t.Helper()
	st, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// tool fills a folder with one file, and counts how often it is asked to.
type tool struct{ filled atomic.Int32 }

func (f *tool) keep(t *testing.T, st *store.Store) string {
	t.Helper()
	dir, err := Keep(t.Context(), st, "tool", "tool 1", func(dir string) error {
		f.filled.Add(1)
		return os.WriteFile(filepath.Join(dir, "program"), []byte("one"), 0o755)
	})
	if err != nil {
		t.Error(err)
	}
	return dir
}

func TestKeep(t *testing.T) {
	st, f := openStore(t), &tool{}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { f.keep(t, st) })
	}
	all.Wait()
	dir := f.keep(t, st)
	if n := f.filled.Load(); n != 1 {
		t.Errorf("unpacked %d times", n)
	}
	for name, harm := range map[string]func() error{
		"changed": func() error { return os.WriteFile(filepath.Join(dir, "program"), []byte("two"), 0o755) },
		"gone":    func() error { return os.RemoveAll(dir) },
		"more":    func() error { return os.WriteFile(filepath.Join(dir, "other"), nil, 0o644) },
	} {
		if err := harm(); err != nil {
			t.Fatal(err)
		}
		before := f.filled.Load()
		f.keep(t, st)
		entries, _ := os.ReadDir(dir)
		if b, _ := os.ReadFile(filepath.Join(dir, "program")); f.filled.Load() != before+1 || string(b) != "one" || len(entries) != 1 {
			t.Errorf("%s: not unpacked anew: %q, %d files", name, b, len(entries))
		}
	}
}

func TestKeepFails(t *testing.T) {
	st, full := openStore(t), errors.New("full")
	if _, err := Keep(t.Context(), st, "tool", "tool 1", func(string) error { return full }); !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
	for _, dir := range []string{"tmp", "tools", "locks"} {
		if left, _ := os.ReadDir(filepath.Join(st.Root(), dir)); len(left) > 0 {
			t.Errorf("%s was left in %s", left[0], dir)
		}
	}
	var f tool
	f.keep(t, st)
}

func TestSweep(t *testing.T) {
	st, f := openStore(t), &tool{}
	dir := f.keep(t, st)
	sweep(st, time.Now().Add(maxAge-time.Hour))
	if _, err := os.Stat(dir); err != nil {
		t.Error(err)
	}
	sweep(st, time.Now().Add(maxAge+time.Hour))
	if _, err := os.Stat(dir); err == nil {
		t.Error("a tool that nobody uses is kept")
	}
}

// TestSameToolchain unpacks the toolchain as the go command does in its module
// cache: it is then used without fetching, and not when one file differs.
func TestSameToolchain(t *testing.T) {
	testtool.Whole(t)
	st := openStore(t)
	in, err := gotoolchain.Lock(t.Context(), st, "", "1.27.3", "linux/"+runtime.GOARCH)
	if err != nil {
		t.Fatal(err)
	}
	cache := t.TempDir()
	goroot := filepath.Join(cache, filepath.FromSlash(moduleDir(in)))
	if err := gotoolchain.Extract(t.Context(), st, in, goroot); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOMODCACHE", cache)
	fetched := errors.New("fetched")
	fetch := func(context.Context, lock.Input) (v1.Hash, error) { return v1.Hash{}, fetched }
	for range 2 {
		start := time.Now()
		if got, err := Go(t.Context(), st, in, fetch); err != nil || got != goroot {
			t.Errorf("got %s, %v", got, err)
		}
		t.Logf("compared %s in %s", moduleDir(in), time.Since(start).Round(time.Millisecond))
	}
	wanted := sources(t, goroot)
	print := filepath.Join(goroot, "src", "fmt", "print.go")
	b, err := os.ReadFile(print)
	if err != nil {
		t.Fatal(err)
	}
	b[0] ^= 1
	if err := os.WriteFile(print, b, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Go(t.Context(), st, in, fetch); !errors.Is(err, fetched) {
		t.Errorf("a changed toolchain was taken for the same: %v", err)
	}
	start := time.Now()
	got, err := Go(t.Context(), st, in, func(context.Context, lock.Input) (v1.Hash, error) { return v1.Hash{}, nil })
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("unpacked in %s", time.Since(start).Round(time.Millisecond))
	start = time.Now()
	if again, err := Go(t.Context(), st, in, fetch); err != nil || again != got {
		t.Errorf("got %s, %v", again, err)
	}
	t.Logf("found in %s", time.Since(start).Round(time.Millisecond))
	if has := sources(t, got); has != wanted {
		t.Errorf("files that Go compiles were not unpacked: there are\n%s\nwant\n%s", has, wanted)
	}
}

// sources are the files of the standard library that a go command compiles.
func sources(t *testing.T, goroot string) string {
	t.Helper()
	all := ""
	for _, arch := range []string{"amd64", "arm64"} {
		cmd := Command(t.Context(), filepath.Join(goroot, "bin/go"), "list", "-f", "{{if .GoFiles}}{{.ImportPath}} {{.GoFiles}} {{.SFiles}} {{.HFiles}} {{.EmbedFiles}}{{end}}", "std")
		cmd.Dir = t.TempDir()
		cmd.Env = append(os.Environ(), "GOROOT="+goroot, "GOOS=linux", "GOARCH="+arch, "CGO_ENABLED=0", "GOENV=off", "GOFLAGS=", "GOWORK=off", "GOTOOLCHAIN=local")
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		all += string(out)
	}
	if n := strings.Count(all, "\n"); n < 600 {
		t.Fatalf("%d packages", n)
	}
	return all
}

// TestGoCache: a file that is not what its name says goes, unless it is so young
// that it may not be whole yet.
func TestGoCache(t *testing.T) {
	st := openStore(t)
	dir := filepath.Join(st.Root(), "go-build")
	put := func(name string, age time.Duration) string {
		path := filepath.Join(dir, "ab", name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, nil, 0o644), os.Chtimes(path, time.Time{}, time.Now().Add(-age))); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const whole = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855-d" // of nothing
	good, index := put(whole, time.Hour), put("ab-a", time.Hour)
	bad, young := put("ab-d", time.Hour), put("cd-d", 0)
	there := func(path string) bool { _, err := os.Stat(path); return err == nil }
	if got, err := GoCache(t.Context(), st); err != nil || got != dir {
		t.Errorf("got %s, %v", got, err)
	}
	if !there(good) || !there(index) || there(bad) || !there(young) {
		t.Errorf("good %v, index %v, bad %v, young %v", there(good), there(index), there(bad), there(young))
	}
	// Once a start of the machine.
	bad = put("ab-d", time.Hour)
	if _, err := GoCache(t.Context(), st); err != nil || !there(bad) {
		t.Errorf("cleaned twice: %v", err)
	}
}
