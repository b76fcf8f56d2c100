// Command engine compares how long golang's full image takes with both engines:
// with nothing made, with nothing changed, and with another builder's cache.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/imgbuild/imgbuild/bench/internal/measure"
	"github.com/imgbuild/imgbuild/bench/internal/workshop"
	"github.com/imgbuild/imgbuild/internal/testtool"
)

func main() {
	runs := flag.Int("n", 3, "how often each is run")
	workshop.Main(func(ctx context.Context, w *workshop.Workshop) error { return bench(ctx, w, *runs) })
}

// row is one situation. Its builder is started anew before each run where it
// must have nothing.
type row struct {
	name   string
	empty  bool     // the builder has nothing
	drop   bool     // no layer is at hand here
	flags  []string // of the BuildKit engine
	native string   // "" where the native engine has no such situation
}

func bench(ctx context.Context, w *workshop.Workshop, runs int) (err error) {
	registryDir := filepath.Join(w.Dir, "registry")
	if err := os.Mkdir(registryDir, 0o755); err != nil {
		return err
	}
	registry, err := testtool.StartRegistry(registryDir)
	if err != nil {
		return err
	}
	defer registry.Close()
	cache := registry.Host + "/cache/imgbuild"
	f := &fleet{dir: w.Dir}
	defer func() { err = errors.Join(err, f.end()) }()

	if _, err := w.Run(ctx, "golang"); err != nil { // has the inputs fetched
		return err
	}
	// Leaves the cache. Inputs that are sent from here are other steps than those
	// that are fetched, so here the mirrors are asked.
	if err := f.fresh(); err != nil {
		return err
	}
	if _, err := w.Run(ctx, f.engine("--cache-to", cache)...); err != nil {
		return err
	}
	measure.Title(os.Stdout, "Engines: golang, full, linux/amd64, inputs at hand")
	t := measure.Table{Head: []string{"median of " + measure.Times(runs), "native", "BuildKit", "ratio"}}
	for _, r := range []row{
		{"nothing made, an empty builder", true, true, []string{"--offline"}, "--offline"},
		{"no layer here, the builder has them", false, true, []string{"--offline"}, ""},
		{"nothing changed", false, false, nil, "--offline"},
		{"no layer here, an empty builder and the cache in a registry", true, true, []string{"--cache-from", cache}, ""},
	} {
		var native, builders []measure.Sample
		for range runs {
			if r.empty {
				if err := f.fresh(); err != nil {
					return err
				}
			}
			prepare := func() error {
				if r.drop {
					return w.DropLayers()
				}
				return nil
			}
			if err := prepare(); err != nil {
				return err
			}
			s, err := w.Run(ctx, f.engine(r.flags...)...)
			if err != nil {
				return err
			}
			builders = append(builders, s)
			if r.native == "" {
				continue
			}
			if err := prepare(); err != nil {
				return err
			}
			n, err := w.Run(ctx, "golang", r.native)
			if err != nil {
				return err
			}
			if got, want := digest(s), digest(n); got != want {
				return fmt.Errorf("%s: BuildKit made %s, the native engine %s", r.name, got, want)
			}
			native = append(native, n)
		}
		ours, ratio := "", ""
		if len(native) > 0 {
			ours, ratio = measure.Time(measure.Median(native)), measure.Ratio(measure.Median(native), measure.Median(builders))
		}
		t.Add(r.name, ours, measure.Time(measure.Median(builders)), ratio)
	}
	t.Print(os.Stdout)
	fmt.Printf("The builder is on this machine. What it lacks is sent to it, and layers come back and are unpacked for comparison.\n\n")
	return nil
}

func digest(s measure.Sample) string {
	_, d, _ := strings.Cut(strings.TrimSpace(string(s.Stdout)), "@")
	return d
}

// fleet is the builder of the moment.
type fleet struct {
	dir   string
	n     int
	alive *testtool.BuildKit
}

// fresh puts an empty builder in the place of the one before.
func (f *fleet) fresh() (err error) {
	if err := f.end(); err != nil {
		return err
	}
	f.n++
	f.alive, err = testtool.StartBuildKit(filepath.Join(f.dir, fmt.Sprintf("b%d", f.n)))
	return err
}

func (f *fleet) end() error {
	if f.alive == nil {
		return nil
	}
	f.alive.Close()
	f.alive = nil
	return os.RemoveAll(filepath.Join(f.dir, fmt.Sprintf("b%d", f.n)))
}

// engine are the arguments of a build on the builder.
func (f *fleet) engine(more ...string) []string {
	return append([]string{"golang", "--engine", "buildkit", "--buildkit", f.alive.Address}, more...)
}
