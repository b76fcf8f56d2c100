package build

import (
	"context"
	"fmt"
	"runtime"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/shimbuild"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// CompiledShim compiles the shim from the source inside imgbuild.
type CompiledShim struct {
	Store *store.Store
	Fetch Fetcher
	// Toolchain is the locked Go for the machine that compiles.
	Toolchain lock.Input
}

// NewCompiledShim takes the newest Go of golang, the lock of the image of that
// name inside imgbuild, so that every image, whatever its definition, carries
// the same shim.
func NewCompiledShim(s *store.Store, f Fetcher, golang *lock.Lock) (*CompiledShim, error) {
	toolchain, err := Toolchain(golang)
	if err != nil {
		return nil, err
	}
	return &CompiledShim{Store: s, Fetch: f, Toolchain: toolchain}, nil
}

// Toolchain is the newest Go of golang for this machine.
func Toolchain(golang *lock.Lock) (lock.Input, error) {
	toolchain, ok := golang.Toolchain(runtime.GOOS + "/" + runtime.GOARCH)
	if !ok {
		return toolchain, fmt.Errorf("the lock of golang has no Go that runs on %s/%s; run imgbuild on one that golang is built for", runtime.GOOS, runtime.GOARCH)
	}
	return toolchain, nil
}

func (c *CompiledShim) options(platform string) shimbuild.Options {
	return shimbuild.Options{Store: c.Store, Toolchain: c.Toolchain, Fetch: c.Fetch.Fetch, Platform: platform}
}

// Key implements Shim.
func (c *CompiledShim) Key(platform string) string { return shimbuild.Key(c.options(platform)) }

// Build implements Shim.
func (c *CompiledShim) Build(ctx context.Context, platform string) (v1.Hash, error) {
	return shimbuild.Build(ctx, c.options(platform))
}
