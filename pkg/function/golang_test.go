package function

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/store"
)

const goMain = `package main

import (
	_ "embed"
	"fmt"

	"example.com/fn/text"
	"example.com/other"
)

//go:embed data.txt
var data string

func main() { fmt.Println(text.Text, data, other.Text) }
`

// goFunction is a module with a package, an embedded file, and a module that it
// replaces by a folder.
func goFunction(t testing.TB) string {
	return folder(t,
		"fn/go.mod", "module example.com/fn\n\ngo 1.26\n\nrequire example.com/other v1.0.0\n\nreplace example.com/other => ../other\n",
		"fn/main.go", goMain, "fn/data.txt", "data-1",
		"fn/text/text.go", "package text\n\nconst Text = \"text-1\"\n",
		"other/go.mod", "module example.com/other\n\ngo 1.26\n", "other/other.go", "package other\n\nconst Text = \"other-1\"\n",
	) + "/fn"
}

func goLayers(t testing.TB, m *Maker, src GoSource, platforms ...string) []Layer {
	t.Helper()
	made, err := m.Go(t.Context(), src, platforms)
	if err != nil {
		t.Fatal(err)
	}
	var layers []Layer
	for _, f := range made {
		layers = append(layers, f.Layers...)
	}
	return layers
}

// anew is a maker with an empty store, that need not fetch the toolchain.
func anew(t *testing.T, m *Maker, w *workshop) *Maker {
	t.Helper()
	st, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	c := *m
	c.Store, c.baseFiles = st, nil
	c.Fetch = func(ctx context.Context, in lock.Input) (v1.Hash, error) {
		h, err := w.fetcher.Fetch(ctx, in)
		if err != nil {
			return h, err
		}
		return h, os.Link(w.store.Path(h), st.Path(h))
	}
	return &c
}

// TestGoReproducible compiles for both platforms in two folders, with another
// HOME, umask, time zone and settings of Go, and without what was made before.
func TestGoReproducible(t *testing.T) {
	testtool.Whole(t)
	m, w, _ := maker(t)
	platforms := []string{"linux/amd64", "linux/arm64"}
	first := goLayers(t, m, GoSource{Dir: goFunction(t), Toolchain: w.golang}, platforms...)
	old := syscall.Umask(0o077)
	defer syscall.Umask(old)
	settings, err := w.mirrors.GoSettings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"TZ": "Asia/Shanghai", "GOMAXPROCS": "1", "GOFLAGS": "-race", "CGO_ENABLED": "1", "GOAMD64": "v3", "GOARM64": "v9.0",
		"GOEXPERIMENT": "nosuch", "HOME": t.TempDir(), "GOTOOLCHAIN": "go1.2.3", "GODEBUG": "x=1", "GOOS": "windows",
		"GOPROXY": settings["GOPROXY"], "GOSUMDB": settings["GOSUMDB"], "GOMODCACHE": settings["GOMODCACHE"],
	} {
		t.Setenv(name, value)
	}
	second := goLayers(t, anew(t, m, w), GoSource{Dir: goFunction(t), Toolchain: w.golang}, platforms...)
	for i, p := range platforms {
		if a, b := digest(t, first[i]), digest(t, second[i]); a != b {
			t.Errorf("%s: %s and %s", p, a, b)
		}
	}
	files := content(t, first[0])
	program := files["code/bootstrap"]
	for _, text := range []string{"text-1", "data-1", "other-1"} {
		if !strings.Contains(program, text) {
			t.Errorf("%s is not in the program", text)
		}
	}
	if len(files) != 1 || strings.Contains(program, os.TempDir()) || strings.Contains(program, w.store.Root()) {
		t.Error("a path of this machine is in the program")
	}
	tidy(t, w.store)
}

// TestGoCache: what has changed is compiled, however it was changed and however
// little time has passed, and what has not is not.
func TestGoCache(t *testing.T) {
	testtool.Whole(t)
	m, w, _ := maker(t)
	dir := goFunction(t)
	src := GoSource{Dir: dir, Toolchain: w.golang}
	has := func(texts ...string) {
		t.Helper()
		program := content(t, goLayers(t, m, src, "linux/amd64")[0])["code/bootstrap"]
		for _, text := range texts {
			if !strings.Contains(program, text) {
				t.Errorf("%s is not in the program", text)
			}
		}
	}
	has("text-1", "data-1", "other-1")
	// At once, of the same size, with the time of before.
	path := filepath.Join(dir, "text/text.go")
	fi, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	fill(t, dir, "text/text.go", "package text\n\nconst Text = \"text-2\"\n")
	if err := os.Chtimes(path, fi.ModTime(), fi.ModTime()); err != nil {
		t.Fatal(err)
	}
	has("text-2", "data-1", "other-1")
	fill(t, dir, "data.txt", "data-2")
	has("text-2", "data-2", "other-1")
	fill(t, dir, "../other/other.go", "package other\n\nconst Text = \"other-2\"\n")
	has("text-2", "data-2", "other-2")
	fill(t, dir, "text/text_linux.go", "package text\n\nfunc init() { println(\"one-more\") }\n")
	has("one-more")
	if err := os.Remove(filepath.Join(dir, "text/text_linux.go")); err != nil {
		t.Fatal(err)
	}
	// A workspace comes, and replaces the replacement.
	fill(t, dir, "../go.work", "go 1.26\n\nuse ./fn\n\nreplace example.com/other => ./third\n",
		"../third/go.mod", "module example.com/other\n\ngo 1.26\n", "../third/other.go", "package other\n\nconst Text = \"third-1\"\n")
	has("text-2", "third-1")
	fill(t, dir, "../third/other.go", "package other\n\nconst Text = \"third-2\"\n")
	has("third-2")

	// A package behind a link to a folder.
	elsewhere := folder(t, "v/v.go", "package v\n\nfunc init() { println(\"linked-1\") }\n")
	if err := os.Symlink(filepath.Join(elsewhere, "v"), filepath.Join(dir, "v")); err != nil {
		t.Fatal(err)
	}
	fill(t, dir, "more.go", "package main\n\nimport _ \"example.com/fn/v\"\n")
	has("linked-1")
	fill(t, elsewhere, "v/v.go", "package v\n\nfunc init() { println(\"linked-2\") }\n")
	has("linked-2")

	// Nothing changed: no compiler is run, neither while files are young nor
	// later. The record is renewed when they are not any more.
	fetched := errors.New("the toolchain is asked for")
	unchanged := func() {
		t.Helper()
		tools := filepath.Join(w.store.Root(), "tools")
		if err := os.Rename(tools, tools+"-away"); err != nil {
			t.Fatal(err)
		}
		defer os.Rename(tools+"-away", tools)
		idle := *m
		idle.Fetch = func(context.Context, lock.Input) (v1.Hash, error) { return v1.Hash{}, fetched }
		start := time.Now()
		if _, err := idle.Go(t.Context(), src, []string{"linux/amd64"}); err != nil {
			t.Error(err)
		}
		t.Logf("unchanged: %s", time.Since(start).Round(time.Millisecond))
	}
	unchanged()
	time.Sleep(2500 * time.Millisecond)
	unchanged()
	unchanged()

	// A layer that is gone is made again.
	l := goLayers(t, m, src, "linux/amd64")[0]
	h, _ := l.Digest()
	if err := w.store.Remove(h); err != nil {
		t.Fatal(err)
	}
	has("third-2")
}

func TestGoErrors(t *testing.T) {
	testtool.Whole(t)
	m, w, _ := maker(t)
	mod := "module example.com/fn\n\ngo 1.26\n"
	for name, tt := range map[string]struct {
		files []string
		src   GoSource
		want  []string
	}{
		"a mistake":                       {[]string{"go.mod", mod, "main.go", "package main\n\nfunc main() {\n\tx\n}\n"}, GoSource{}, []string{"./main.go:4:2: undefined: x"}},
		"a mistake in syntax":             {[]string{"go.mod", mod, "main.go", "package main\n\nfunc main() {\n"}, GoSource{}, []string{"main.go:4:1", "syntax error"}},
		"a library":                       {[]string{"go.mod", mod, "x.go", "package fn\n"}, GoSource{}, []string{"is the package fn, not main", "no main package below"}},
		"main elsewhere":                  {[]string{"go.mod", mod, "x.go", "package fn\n", "cmd/a/main.go", "package main\n\nfunc main() {}\n"}, GoSource{}, []string{"--package ./cmd/a"}},
		"only main elsewhere":             {[]string{"go.mod", mod, "cmd/a/main.go", "package main\n\nfunc main() {}\n"}, GoSource{}, []string{"has no Go files", "--package ./cmd/a"}},
		"a package too few":               {[]string{"go.mod", mod, "main.go", "package main\n\nfunc main() {}\n"}, GoSource{Package: "./cmd/b"}, []string{"cmd/b"}},
		"a newer Go":                      {[]string{"go.mod", "module m\n\ngo 1.99\n", "main.go", "package main\n"}, GoSource{}, []string{"asks for Go 1.99", "--binary"}},
		"a requirement that is not there": {[]string{"go.mod", mod, "main.go", "package main\n\nimport _ \"example.com/none\"\n\nfunc main() {}\n"}, GoSource{}, []string{"no required module provides package example.com/none"}},
		"no module":                       {[]string{"go.mod", "modul m\n"}, GoSource{}, []string{"go.mod:1: unknown directive"}},
		"a workspace without it":          {[]string{"fn/go.mod", mod, "fn/main.go", "package main\n\nfunc main() {}\n", "go.work", "go 1.26\n\nuse ./x\n", "x/go.mod", "module x\n\ngo 1.26\n"}, GoSource{Dir: "fn"}, []string{"go.work"}},
	} {
		t.Run(name, func(t *testing.T) {
			src := tt.src
			src.Dir, src.Toolchain = filepath.Join(folder(t, tt.files...), tt.src.Dir), w.golang
			_, err := m.Go(t.Context(), src, []string{"linux/amd64"})
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v\nwant %q", err, want)
				}
			}
			if strings.Contains(err.Error(), w.store.Root()) {
				t.Errorf("the error names a folder of ours: %v", err)
			}
			tidy(t, w.store)
		})
	}
}

// TestGoFlags gives flags for the linker and tags, and a main package below.
func TestGoFlags(t *testing.T) {
	testtool.Whole(t)
	m, w, _ := maker(t)
	dir := folder(t, "go.mod", "module example.com/fn\n\ngo 1.26\n",
		"cmd/a/main.go", "package main\n\nvar version = \"none\"\n\nfunc main() { println(version, extra) }\n",
		"cmd/a/yes.go", "//go:build special\n\npackage main\n\nconst extra = \"special-one\"\n",
		"cmd/a/no.go", "//go:build !special\n\npackage main\n\nconst extra = \"usual-one\"\n")
	src := GoSource{Dir: dir, Package: "./cmd/a", LDFlags: "-X main.version=version-7", Tags: "special", Toolchain: w.golang}
	program := content(t, goLayers(t, m, src, "linux/amd64")[0])["code/bootstrap"]
	if !strings.Contains(program, "version-7") || !strings.Contains(program, "special-one") || strings.Contains(program, "usual-one") {
		t.Error("the flags have no effect")
	}
}

// TestGoStops: the compilers end with the context, and leave nothing.
func TestGoStops(t *testing.T) {
	testtool.Whole(t)
	m, w, _ := maker(t)
	goLayers(t, m, GoSource{Dir: goFunction(t), Toolchain: w.golang}, "linux/amd64") // the tools are there
	cold := anew(t, m, w)
	stopped := errors.New("stopped")
	ctx, cancel := context.WithCancelCause(t.Context())
	var start time.Time
	time.AfterFunc(3*time.Second, func() { start = time.Now(); cancel(stopped) })
	if _, err := cold.Go(ctx, GoSource{Dir: goFunction(t), Toolchain: w.golang}, []string{"linux/amd64", "linux/arm64"}); !errors.Is(err, stopped) {
		t.Errorf("got %v", err)
	}
	if d := time.Since(start); d > 30*time.Second {
		t.Errorf("it took %s to stop", d)
	}
	tidy(t, cold.Store)
}
