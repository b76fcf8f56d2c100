package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/imgbuild/imgbuild/bench/internal/measure"
	"github.com/imgbuild/imgbuild/bench/internal/peer"
	"github.com/imgbuild/imgbuild/bench/internal/workshop"
	"github.com/imgbuild/imgbuild/internal/testtool"
)

// place is where all build: a function's folder, a registry with the bases, and
// the programs.
type place struct {
	w        *workshop.Workshop
	registry *testtool.Registry
	buildkit *peer.BuildKit
	ko       string
	source   string
	goroot   string
}

// builder is one of those that are compared.
type builder struct {
	name       string
	repository string
	ownWork    bool // it works in the process that is measured, and not in a daemon
	build      func(context.Context) (measure.Sample, error)
	// forget drops all that was built. left says that what an earlier compile of
	// the base's shim left in Go's cache stays.
	forget func(ctx context.Context, left bool) error
}

func open(ctx context.Context, w *workshop.Workshop, peers []string) (_ *place, err error) {
	p := &place{w: w, source: filepath.Join(w.Dir, "function"), ko: filepath.Join(w.Dir, "ko")}
	if err := os.CopyFS(p.source, os.DirFS(filepath.Join(w.Root, "examples", "golang"))); err != nil {
		return nil, err
	}
	// With a Dockerfile in it, the folder would be built by BuildKit.
	if err := os.Rename(filepath.Join(p.source, "Dockerfile"), filepath.Join(w.Dir, "Dockerfile")); err != nil {
		return nil, err
	}
	if p.registry, err = testtool.StartRegistry(w.Dir); err != nil {
		return nil, fmt.Errorf("the registry is missing (apt-get install docker-registry): %w", err)
	}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	if _, err := workshop.Compile(ctx, filepath.Join(w.Root, "tools", "ko"), p.ko, "github.com/google/ko"); err != nil {
		return p, fmt.Errorf("building ko: %w", err)
	}
	// The bases are published before, and imgbuild has them in its store.
	if err := p.pristine(ctx); err != nil {
		return p, err
	}
	if _, err := w.Run(ctx, "golang:1.27", "golang:1.27-slim", "--push", "--registry", p.registry.Host); err != nil {
		return p, err
	}
	if err := p.findGo(); err != nil {
		return p, err
	}
	if slices.Contains(peers, "buildctl") {
		if p.buildkit, err = peer.StartBuildKit(w); err != nil {
			return p, err
		}
	}
	// Nobody's first start counts: programs are in memory after it.
	for _, b := range p.builders(peers)[:min(2, len(peers)+1)] {
		if _, err := b.build(ctx); err != nil {
			return p, err
		}
	}
	return p, nil
}

// pristine keeps what the compile of the shim for the base leaves in Go's cache.
func (p *place) pristine(ctx context.Context) error {
	if err := errors.Join(os.RemoveAll(p.goCache()), os.RemoveAll(filepath.Join(p.w.Store, "records", "shim")), p.w.DropShims()); err != nil {
		return err
	}
	if _, err := p.w.Run(ctx, "golang:1.27-slim"); err != nil {
		return err
	}
	return os.CopyFS(filepath.Join(p.w.Dir, "pristine"), os.DirFS(p.goCache()))
}

func (p *place) goCache() string { return filepath.Join(p.w.Store, "go-build") }

func (p *place) close() {
	if p.buildkit != nil {
		p.buildkit.Close()
	}
	p.registry.Close()
}

// findGo finds the toolchain that imgbuild compiles with: ko gets the same.
func (p *place) findGo() error {
	found, err := filepath.Glob(filepath.Join(p.w.Store, "tools", "*", "bin", "go"))
	if err != nil || len(found) == 0 {
		return errors.Join(err, errors.New("imgbuild has unpacked no Go; is this machine's own the very same? then name another machine"))
	}
	p.goroot = filepath.Dir(filepath.Dir(found[0]))
	return nil
}

// builders are imgbuild and the peers that were asked for.
func (p *place) builders(peers []string) []builder {
	all := []builder{{"imgbuild build", "ours/function", true, p.imgbuild, p.forgetImgbuild}}
	if slices.Contains(peers, "ko") {
		all = append(all, builder{"ko build", "theirs/function", true, p.koBuild, p.forgetKo})
	}
	if slices.Contains(peers, "buildctl") {
		all = append(all, builder{"buildctl build, two stages", "docker/function", false, p.buildctl, p.forgetBuildctl})
	}
	return all
}

func (p *place) imgbuild(ctx context.Context) (measure.Sample, error) {
	return p.w.Run(ctx, "build", p.source, "-t", "ours/function", "--push", "--registry", p.registry.Host)
}

// forgetImgbuild drops what was compiled and all layers made of it. The base
// and the unpacked toolchain stay, as ko finds its base in the registry and its
// Go installed.
func (p *place) forgetImgbuild(_ context.Context, left bool) error {
	if err := errors.Join(p.w.DropFunctions(), os.RemoveAll(p.goCache())); err != nil || !left {
		return err
	}
	return os.CopyFS(p.goCache(), os.DirFS(filepath.Join(p.w.Dir, "pristine")))
}

func (p *place) koBuild(ctx context.Context) (measure.Sample, error) {
	env := []string{
		"PATH=" + filepath.Join(p.goroot, "bin") + ":" + os.Getenv("PATH"), "GOROOT=" + p.goroot, "GOTOOLCHAIN=local", "GOFLAGS=",
		"KO_DOCKER_REPO=" + p.registry.Host + "/theirs/function", "KO_DEFAULTBASEIMAGE=" + p.registry.Host + "/golang:1.27-slim",
		"GOCACHE=" + filepath.Join(p.w.Dir, "ko-go"), "KOCACHE=" + filepath.Join(p.w.Dir, "ko-cache"), "DOCKER_CONFIG=" + p.w.Dir,
	}
	return measure.RunIn(ctx, p.source, env, p.ko, "build", "--bare", ".")
}

func (p *place) forgetKo(context.Context, bool) error {
	return errors.Join(os.RemoveAll(filepath.Join(p.w.Dir, "ko-go")), os.RemoveAll(filepath.Join(p.w.Dir, "ko-cache")))
}

// buildctl builds the Dockerfile of the example, as users have it.
func (p *place) buildctl(ctx context.Context) (measure.Sample, error) {
	return p.buildkit.Run(ctx, "build", "--progress", "plain", "--frontend", "dockerfile.v0",
		"--local", "context="+p.source, "--local", "dockerfile="+p.w.Dir,
		"--opt", "build-arg:BASE="+p.registry.Host+"/golang:1.27",
		"--output", "type=image,push=true,registry.insecure=true,name="+p.registry.Host+"/docker/function:latest")
}

// forgetBuildctl drops all that buildkitd has, but then it gets the bases again
// before the clock starts.
func (p *place) forgetBuildctl(ctx context.Context, _ bool) error {
	if _, err := p.buildkit.Run(ctx, "prune", "--all"); err != nil {
		return err
	}
	text := "FROM " + p.registry.Host + "/golang:1.27 AS full\nRUN touch /x\nFROM " + p.registry.Host + "/golang:1.27-slim\nCOPY --from=full /x /x\n"
	dir := filepath.Join(p.w.Dir, "pull")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(text), 0o644); err != nil {
		return err
	}
	_, err := p.buildkit.Run(ctx, "build", "--progress", "plain", "--frontend", "dockerfile.v0", "--local", "context="+dir, "--local", "dockerfile="+dir)
	return err
}

var hello = regexp.MustCompile(`hello[^ ]* from`)

// edit changes one line of the source.
func (p *place) edit(n int) error {
	path := filepath.Join(p.source, "main.go")
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return os.WriteFile(path, hello.ReplaceAll(b, fmt.Appendf(nil, "hello%d from", n)), 0o644)
}

// sizes prints how large the results are, from their manifests.
func (p *place) sizes(builders []builder) error {
	t := measure.Table{Head: []string{"compressed", "function", "image"}}
	for _, b := range builders {
		ref, err := name.ParseReference(p.registry.Host+"/"+b.repository+":latest", name.Insecure)
		if err != nil {
			return err
		}
		img, err := remote.Image(ref)
		if err != nil {
			return err
		}
		m, err := img.RawManifest()
		if err != nil {
			return err
		}
		var manifest struct{ Layers []struct{ Size int64 } }
		if err := json.Unmarshal(m, &manifest); err != nil {
			return err
		}
		var all, function int64
		for i, l := range manifest.Layers {
			if all += l.Size; i >= baseLayers {
				function += l.Size
			}
		}
		t.Add(b.name, measure.MB(function), measure.MB(all))
	}
	t.Print(os.Stdout)
	return nil
}

// baseLayers are those of golang's slim image: os and shim.
const baseLayers = 2
