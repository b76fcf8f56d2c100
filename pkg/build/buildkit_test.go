package build

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/moby/buildkit/client/llb"
	gateway "github.com/moby/buildkit/frontend/gateway/client"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/assemble"
	"github.com/imgbuild/imgbuild/pkg/buildkit"
	"github.com/imgbuild/imgbuild/pkg/deb/debtest"
	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/input/inputtest"
	"github.com/imgbuild/imgbuild/pkg/layer"
	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/mirror"
)

// program compiles imgbuild, or the liar that plays it.
func program(t *testing.T, args ...string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "program")
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"build", "-o", out}, args...)...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("compiling %v: %v: %s", args, err, said)
	}
	return out
}

// onBuilder is the engine on a builder that runs this assembler and fetches
// from these mirrors: lists of places by archive.
func onBuilder(t *testing.T, b *testtool.BuildKit, assembler string, mirrors map[string]string) (*BuildKit, *fakeFetcher) {
	t.Helper()
	a, err := buildkit.ParseAddress(b.Address, "")
	if err != nil {
		t.Fatal(err)
	}
	builder, err := buildkit.Dial(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { builder.Close() })
	flags := map[string]string{}
	for _, archive := range mirror.Archives() {
		flags[archive] = "http://127.0.0.1:9/nothing-answers-here"
		if m := mirrors[archive]; m != "" {
			flags[archive] = m
		}
	}
	m, err := mirror.New(mirror.Options{Flags: flags})
	if err != nil {
		t.Fatal(err)
	}
	platform := builder.Native()
	s := inputtest.Store(t)
	fetcher := &fakeFetcher{store: s, files: map[string][]byte{}}
	toolchain := lock.Input{ID: "go:1/" + strings.ReplaceAll(platform, "/", "-"), Kind: lock.KindGo, Name: "go", Version: "1"}
	return &BuildKit{
		Builders: []*buildkit.Builder{builder}, Store: s, Inputs: s, Compression: layer.Gzip,
		Shim: &fakeShim{store: s}, Golang: &lock.Lock{Inputs: []lock.Input{toolchain}},
		Mirrors: m, Fetch: fetcher, Assemblers: Assemblers{platform: assembler},
	}, fetcher
}

// noShim is tiny without the shim, whose compilation needs a real toolchain.
func noShim(t *testing.T) *definition.Definition {
	t.Helper()
	return parse(t, strings.Replace(tiny, "      - name: shim\n        shim: {}\n", "", 1))
}

// pool serves files by path, and keeps what it was asked for and with which
// credentials.
type pool struct {
	*httptest.Server
	files map[string][]byte

	mu         sync.Mutex
	asked      []string
	authorized []string
}

func newPool(t *testing.T) *pool {
	t.Helper()
	p := &pool{files: map[string][]byte{}}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.asked = append(p.asked, r.URL.Path)
		p.authorized = append(p.authorized, r.Header.Get("Authorization"))
		p.mu.Unlock()
		content, ok := p.files[strings.TrimPrefix(r.URL.Path, "/")]
		if !ok {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(content)
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *pool) requests() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.asked)
}

// hello is an image of two packages, its lock, and the packages by path.
func hello(t *testing.T) (*definition.Definition, *lock.Lock, map[string][]byte) {
	t.Helper()
	const yaml = `name: packaged
versions: {series: ["1"]}
platforms: [linux/amd64]
variants:
  - name: full
    layers:
      - name: hello
        debian: {suite: trixie, packages: [hello], dependencies: false}
      - name: world
        debian: {suite: trixie, packages: [world], dependencies: false}
    config: {cmd: [/usr/bin/hello]}
`
	files := map[string][]byte{}
	l := &lock.Lock{}
	locked := lock.Image{Version: "1", Series: "1", Variant: "full", Platform: "linux/amd64"}
	for _, name := range []string{"hello", "world"} {
		suffix := ".xz"
		content := debtest.Deb{Name: name, Version: "1.0-1", Arch: "amd64", Suffix: &suffix, Entries: []debtest.Entry{
			debtest.Dir("./usr/", 0o755), debtest.Dir("./usr/bin/", 0o755), debtest.File("./usr/bin/"+name, 0o755, name+t.Name()),
		}}.Bytes(t)
		in := lock.Input{
			ID: "deb:" + name + "@1.0-1/amd64", Kind: lock.KindDebian, Name: name, Version: "1.0-1", Size: int64(len(content)), SHA256: sum(content),
			Archive: mirror.Debian, Path: "pool/" + name + ".deb",
		}
		files[in.Path] = content
		l.Inputs = append(l.Inputs, in)
		locked.Layers = append(locked.Layers, lock.Layer{Name: name, Inputs: []string{in.ID}})
	}
	l.Images = []lock.Image{locked}
	d := parse(t, yaml)
	// What the lock expects is what comes out here.
	s := inputtest.Store(t)
	fetcher := &fakeFetcher{store: s, files: map[string][]byte{}}
	give(fetcher, files)
	if err := fetcher.All(t.Context(), l.Inputs); err != nil {
		t.Fatal(err)
	}
	jobs, err := layersOf(requests(d, l)[0], layer.Gzip, &fakeShim{})
	if err != nil {
		t.Fatal(err)
	}
	for i, j := range jobs {
		made, err := assemble.Layer(t.Context(), s, layer.Gzip, j.spec())
		if err != nil {
			t.Fatal(err)
		}
		locked.Layers[i].DiffID = made.Record().DiffID.String()
	}
	return d, l, files
}

// natively is the digest of the first image as the other engine makes it.
func natively(t *testing.T, d *definition.Definition, l *lock.Lock, files map[string][]byte) v1.Hash {
	t.Helper()
	n, _, fetcher := newNative(t)
	give(fetcher, files)
	images, err := n.Build(t.Context(), requests(d, l)[:1])
	if err != nil {
		t.Fatal(err)
	}
	return digest(t, images[0])
}

// buildsTheSame builds the first image, which must be the other engine's.
func buildsTheSame(t *testing.T, e *BuildKit, d *definition.Definition, l *lock.Lock, files map[string][]byte) {
	t.Helper()
	images, err := e.Build(t.Context(), requests(d, l))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := digest(t, images[0]), natively(t, d, l, files); got != want {
		t.Errorf("built %s, want %s", got, want)
	}
}

func give(f *fakeFetcher, files map[string][]byte) {
	for _, content := range files {
		f.files[sum(content)] = content
	}
}

// TestBuildKit is the engine on one real builder.
func TestBuildKit(t *testing.T) {
	testtool.Whole(t)
	daemon := testtool.BuildKitd(t)
	imgbuild := program(t, "github.com/imgbuild/imgbuild/cmd/imgbuild")

	t.Run("the digests are those of the native engine", func(t *testing.T) {
		d := noShim(t)
		l := lockOf(t, d)
		n, _, _ := newNative(t)
		for _, c := range []layer.Compression{layer.Gzip, layer.Zstd} {
			e, _ := onBuilder(t, daemon, imgbuild, nil)
			e.Compression, n.Compression = c, c
			want, err := n.Build(t.Context(), requests(d, l))
			if err != nil {
				t.Fatal(err)
			}
			got, err := e.Build(t.Context(), requests(d, l))
			if err != nil {
				t.Fatal(err)
			}
			for i := range want {
				if digest(t, got[i]) != digest(t, want[i]) {
					t.Errorf("image %d with %s differs", i, c)
				}
			}
		}
	})

	t.Run("the next mirror is asked", func(t *testing.T) {
		d, l, files := hello(t)
		empty, full := newPool(t), newPool(t)
		full.files = files
		url := strings.Replace(full.URL, "http://", "http://somebody:s3cr3t-w0rd@", 1)
		e, fetcher := onBuilder(t, daemon, imgbuild, map[string]string{mirror.Debian: empty.URL + "," + url})
		buildsTheSame(t, e, d, l, files)
		if fetcher.fetched.Load() > 0 || full.requests() == 0 || empty.requests() == 0 {
			t.Errorf("%d sent from here, asked %v and %v", fetcher.fetched.Load(), empty.asked, full.asked)
		}
		want := "Basic " + base64.StdEncoding.EncodeToString([]byte("somebody:s3cr3t-w0rd"))
		for _, h := range full.authorized {
			if h != want {
				t.Errorf("it was asked with %q", h)
			}
		}
		for _, h := range empty.authorized {
			if h != "" {
				t.Errorf("the other mirror was given %q", h)
			}
		}
		for _, secret := range []string{"s3cr3t-w0rd", strings.TrimPrefix(want, "Basic ")} {
			if at := daemon.Holds(t, secret); at != "" {
				t.Errorf("the secret is in %s", at)
			}
		}
	})

	t.Run("what no mirror has is sent from here", func(t *testing.T) {
		d, l, files := hello(t)
		empty := newPool(t)
		e, fetcher := onBuilder(t, daemon, imgbuild, map[string]string{mirror.Debian: empty.URL})
		give(fetcher, files)
		buildsTheSame(t, e, d, l, files)
		if fetcher.fetched.Load() != 2 || empty.requests() == 0 {
			t.Errorf("%d fetched here, the mirror was asked for %v", fetcher.fetched.Load(), empty.asked)
		}
	})

	t.Run("a mirror with other bytes is like one without", func(t *testing.T) {
		d, l, files := hello(t)
		wrong := newPool(t)
		for path := range files {
			wrong.files[path] = []byte("other bytes")
		}
		e, fetcher := onBuilder(t, daemon, imgbuild, map[string]string{mirror.Debian: wrong.URL})
		give(fetcher, files)
		buildsTheSame(t, e, d, l, files)
	})

	t.Run("offline or with a folder as mirror", func(t *testing.T) {
		for _, send := range []bool{true, false} {
			d, l, files := hello(t)
			// Not what the builder has by now.
			full := newPool(t)
			full.files = files
			where := full.URL
			if !send {
				where = "file://" + t.TempDir()
			}
			e, fetcher := onBuilder(t, daemon, imgbuild, map[string]string{mirror.Debian: where})
			e.Send = send
			give(fetcher, files)
			buildsTheSame(t, e, d, l, files)
			if full.requests() > 0 {
				t.Errorf("the mirror was asked for %v", full.asked)
			}
		}
	})

	t.Run("inputs from another store", func(t *testing.T) {
		d, l, files := hello(t)
		e, fetcher := onBuilder(t, daemon, imgbuild, nil)
		e.Store, e.Send = inputtest.Store(t), true
		give(fetcher, files)
		buildsTheSame(t, e, d, l, files)
	})

	t.Run("what a builder may read here", func(t *testing.T) {
		d, l, files := hello(t)
		beside := filepath.Join(filepath.Dir(imgbuild), ".env")
		if err := os.WriteFile(beside, []byte("private"), 0o644); err != nil {
			t.Fatal(err)
		}
		e, fetcher := onBuilder(t, daemon, imgbuild, nil)
		e.Send = true
		give(fetcher, files)
		if _, err := fetcher.Fetch(t.Context(), l.Inputs[1]); err != nil {
			t.Fatal(err)
		}
		p := mustPlan(t, e, requests(d, l))
		asked := 0
		check := func(s *building, name string, want ...string) {
			t.Helper()
			// As a builder might that asks for more than it was told to, each time
			// in other words: what was read once is not read again.
			asked++
			def, err := llb.Local(name, llb.IncludePatterns([]string{"**", strconv.Itoa(asked)})).Marshal(s.ctx)
			if err != nil {
				t.Fatal(err)
			}
			r, err := s.client.Solve(s.ctx, gateway.SolveRequest{Definition: def.ToPB(), Evaluate: true})
			if err != nil {
				t.Fatal(err)
			}
			ref, err := r.SingleRef()
			if err != nil {
				t.Fatal(err)
			}
			found, err := ref.ReadDir(s.ctx, gateway.ReadDirRequest{Path: "/"})
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, f := range found {
				names = append(names, f.Path)
			}
			if !slices.Equal(names, want) {
				t.Errorf("in %s it reads %v, want %v", name, names, want)
			}
		}
		one := func(ctx context.Context, worker int, b *buildkit.Builder, q *queue[*job]) error {
			return inSession(ctx, e, worker, b, nil, q, func(s *building, j *job) (gateway.Reference, error) {
				check(s, localInputs)
				if _, err := s.make(j); err != nil {
					return nil, err
				}
				check(s, localInputs, l.Inputs[0].SHA256)
				check(s, localProgram, "imgbuild")
				return nil, nil
			})
		}
		can := func(*buildkit.Builder, *job) bool { return true }
		if err := spread(t.Context(), p.jobs[:1], e.Builders, can, one, e.lost); err != nil {
			t.Fatal(err)
		}
	})

	t.Run("a builder that lies", func(t *testing.T) {
		liar := program(t, "./testdata/liar")
		for lie, want := range map[string]string{
			"content":     "but the lock expects",
			"digest":      "differs from its digest",
			"away":        "no such file or directory",
			"path":        "reading what the builder made",
			"diffID":      "has the diffID",
			"size":        "fewer bytes than",
			"huge":        "fewer bytes than",
			"date":        "newest file",
			"compression": "was asked for gzip",
			"truncated":   "",
			"none":        "reading what the builder made",
			"nonsense":    "reading what the builder made",
			"fails":       "layer base (tiny 2.1) for linux/amd64: no space left on the builder",
		} {
			t.Run(lie, func(t *testing.T) {
				d := parse(t, strings.ReplaceAll(strings.Replace(tiny, "      - name: shim\n        shim: {}\n", "", 1), `"tiny\n"`, fmt.Sprintf("%q", "lie: "+lie)))
				l := lockOf(t, d)
				e, _ := onBuilder(t, daemon, liar, nil)
				_, err := e.Build(t.Context(), requests(d, l)[:1])
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Fatalf("got %v; want %q", err, want)
				}
				if _, ok := errors.AsType[*MismatchError](err); ok != (lie == "content") {
					t.Errorf("got %v", err)
				}
				for _, j := range mustPlan(t, e, requests(d, l)[:1]).jobs {
					if j.find(e.Store) && j.layer.Name == "base" {
						t.Error("the layer is remembered")
					}
				}
			})
		}
	})
}
