// Package workshop is what the benches share: an imgbuild built from this
// checkout, with a store of its own that has all inputs.
package workshop

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/imgbuild/imgbuild/bench/internal/measure"
	"github.com/imgbuild/imgbuild/internal/testtool"
)

// Workshop is the place one bench works in.
type Workshop struct {
	// Dir is temporary and goes with Close.
	Dir string
	// Store is kept from run to run, so that inputs are fetched once.
	Store string
	// Imgbuild is the program.
	Imgbuild string
	// Root is the checkout.
	Root string
}

// Main runs a bench: with a workshop, until a signal. A failure is the only
// thing that makes it exit with 1; slow times do not.
func Main(bench func(ctx context.Context, w *Workshop) error) {
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	w, err := open(ctx)
	if err == nil {
		err = errors.Join(bench(ctx, w), w.close())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func open(ctx context.Context) (*Workshop, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	w := &Workshop{Root: testtool.ModuleRoot(), Store: filepath.Join(cache, "imgbuild-bench")}
	if s := os.Getenv("IMGBUILD_BENCH_STORE"); s != "" {
		w.Store = s
	}
	if err := os.MkdirAll(w.Store, 0o755); err != nil {
		return nil, err
	}
	// Beside the store: the system's temporary folder may be in memory, and
	// then the peer would write to another kind of disk.
	if w.Dir, err = os.MkdirTemp(filepath.Dir(w.Store), "imgbuild-bench-*"); err != nil {
		return nil, err
	}
	if w.Imgbuild, err = Compile(ctx, w.Root, filepath.Join(w.Dir, "imgbuild"), "./cmd/imgbuild"); err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

func (w *Workshop) close() error { return os.RemoveAll(w.Dir) }

// Compile builds the package pkg of the module in dir.
func Compile(ctx context.Context, dir, out, pkg string) (string, error) {
	_, err := measure.Run(ctx, []string{"CGO_ENABLED=0"}, "go", "-C", dir, "build", "-o", out, pkg)
	return out, err
}

// Run runs imgbuild with the workshop's store.
func (w *Workshop) Run(ctx context.Context, args ...string) (measure.Sample, error) {
	return w.RunOther(ctx, w.Imgbuild, args...)
}

// RunOther is Run for another build of imgbuild.
func (w *Workshop) RunOther(ctx context.Context, program string, args ...string) (measure.Sample, error) {
	return measure.Run(ctx, []string{"IMGBUILD_STORE=" + w.Store}, program, args...)
}

// DropLayers makes the store forget all layers, and what they were made from
// stays. The shim's program counts as such, and so does imgbuild's own as builders
// get it.
func (w *Workshop) DropLayers() error {
	return w.dropLayers(func(key string) bool { return !strings.HasPrefix(key, "assembler ") })
}

// dropLayers makes the store forget the layers whose key is chosen.
func (w *Workshop) dropLayers(chosen func(key string) bool) error {
	records := filepath.Join(w.Store, "records", "layer")
	names, err := os.ReadDir(records)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, n := range names {
		path := filepath.Join(records, n.Name())
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var r struct {
			Key   string
			Value struct{ Digest string }
		}
		if err := json.Unmarshal(b, &r); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if !chosen(r.Key) {
			continue
		}
		blob := filepath.Join(w.Store, "blobs", "sha256", r.Value.Digest[len("sha256:"):])
		if err := os.Remove(blob); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	return nil
}

// DropShims makes the store forget the layers that hold a shim.
func (w *Workshop) DropShims() error {
	return w.dropLayers(func(key string) bool { return len(key) > 5 && key[:5] == "shim " })
}

// DropFunctions makes the store forget what was made of functions.
func (w *Workshop) DropFunctions() error {
	for _, kind := range []string{"go-function", "typescript-function"} {
		if err := os.RemoveAll(filepath.Join(w.Store, "records", kind)); err != nil {
			return err
		}
	}
	return w.dropLayers(func(key string) bool { return strings.HasPrefix(key, "function ") })
}

// CopyShim writes a shim of the store, whichever platform it is for, to
// path: the peer only carries it.
func (w *Workshop) CopyShim(path string) error {
	names, err := filepath.Glob(filepath.Join(w.Store, "records", "shim", "*"))
	if err != nil {
		return err
	}
	for _, n := range names {
		b, err := os.ReadFile(n)
		if err != nil {
			return err
		}
		var r struct{ Value struct{ Blob string } }
		if err := json.Unmarshal(b, &r); err != nil {
			return fmt.Errorf("%s: %w", n, err)
		}
		elf, err := os.ReadFile(filepath.Join(w.Store, "blobs", "sha256", strings.TrimPrefix(r.Value.Blob, "sha256:")))
		if err == nil {
			return os.WriteFile(path, elf, 0o755)
		}
	}
	return errors.New("the store has no shim")
}
