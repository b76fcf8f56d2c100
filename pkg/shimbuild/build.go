// Package shimbuild compiles the shim, and programs like it, from the source
// that imgbuild carries, with exactly the Go toolchain of a lock. The result is
// the same bit for bit on every machine, and is kept in the store.
package shimbuild

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild"
	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/progress"
	"github.com/imgbuild/imgbuild/pkg/store"
	"github.com/imgbuild/imgbuild/pkg/toolbox"
)

// Options say what to compile and with what.
type Options struct {
	Store *store.Store
	// Toolchain is the locked Go for the machine that compiles, which need
	// not be the one that the shim is for.
	Toolchain lock.Input
	// Fetch brings the toolchain into the store. It is not called where the
	// shim is there already or this machine has the very same toolchain.
	Fetch func(context.Context, lock.Input) (v1.Hash, error)
	// Platform is what the shim is for: linux/amd64 or linux/arm64.
	Platform string
	// Cache is the folder of what the go command has compiled before; the
	// default is in the store. One process has it at a time.
	Cache string
	// Program is compiled in place of the shim, where it is not nil.
	Program *Program
}

// Program is one that imgbuild carries the source of. It imports the standard
// library and packages among its files only.
type Program struct {
	// Name is for people.
	Name string
	// Files are its source, sorted by path.
	Files []imgbuild.SourceFile
	// Package is its main package: ./PATH.
	Package string
}

// recordKind is the kind of the store's records: key → ELF file.
const recordKind = "shim"

// built is such a record.
type built struct {
	Blob v1.Hash `json:"blob"`
}

// lockName is the store's lock under which one process compiles at a time.
const lockName = "shim-compile"

// Key stands for everything that goes into the shim: its source, the
// toolchain, the platform and how it is compiled. It is cheap (under 1 ms).
func Key(o Options) string {
	goarch, _ := target(o.Platform)
	h := sha256.New()
	fmt.Fprintf(h, "shim 1\nsource %s\nmodule %q\ngo %s %s %s\nplatform %s\nargs %q\nenv %q\n",
		o.sourceHash(), goMod(), o.Toolchain.Version, o.Toolchain.H1, o.Toolchain.SHA256,
		o.Platform, o.buildArgs(""), fixedEnv(goarch))
	return hex.EncodeToString(h.Sum(nil))
}

// Build returns the shim's ELF file as a verified blob of the store, compiled
// if it is not there yet.
func Build(ctx context.Context, o Options) (v1.Hash, error) {
	goarch, err := target(o.Platform)
	if err != nil {
		return v1.Hash{}, err
	}
	key := Key(o)
	step := progress.Start(ctx, o.name()+" for "+o.Platform, 0)
	h, err := o.build(ctx, key, goarch, step)
	step.Done(err)
	if err != nil {
		return v1.Hash{}, fmt.Errorf("compiling the %s for %s: %w", o.name(), o.Platform, err)
	}
	return h, nil
}

func (o Options) build(ctx context.Context, key, goarch string, step progress.Step) (v1.Hash, error) {
	if h, ok, err := o.stored(key); ok || err != nil {
		step.Cached()
		return h, err
	}
	unlock, err := o.Store.Lock(ctx, lockName)
	if err != nil {
		return v1.Hash{}, err
	}
	defer unlock()
	if h, ok, err := o.stored(key); ok || err != nil { // by who held the lock
		step.Cached()
		return h, err
	}
	dir, err := o.Store.TempDir("shim-*")
	if err != nil {
		return v1.Hash{}, err
	}
	defer os.RemoveAll(dir)
	goroot, err := toolbox.Go(ctx, o.Store, o.Toolchain, o.Fetch)
	if err != nil {
		return v1.Hash{}, err
	}
	h, err := o.compile(ctx, dir, goroot, goarch)
	if err != nil {
		return v1.Hash{}, err
	}
	return h, o.Store.PutRecord(recordKind, key, built{h})
}

// stored returns the shim that an earlier Build has made, where it is whole.
func (o Options) stored(key string) (v1.Hash, bool, error) {
	var b built
	ok, err := o.Store.Record(recordKind, key, &b)
	if err != nil || !ok {
		return v1.Hash{}, false, err
	}
	// A damaged blob is gone after this, and is made again.
	return b.Blob, o.Store.Verify(b.Blob) == nil, nil
}

// target is the GOARCH of a platform.
func target(platform string) (string, error) {
	os, arch, _ := strings.Cut(platform, "/")
	if os != "linux" || (arch != "amd64" && arch != "arm64") {
		return "", fmt.Errorf("the shim cannot be compiled for %q: want linux/amd64 or linux/arm64", platform)
	}
	return arch, nil
}
