package main

import (
	"github.com/imgbuild/imgbuild/pkg/build"
	"github.com/imgbuild/imgbuild/pkg/fetch"
	"github.com/imgbuild/imgbuild/pkg/input/image"
	"github.com/imgbuild/imgbuild/pkg/layer"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// newNative returns the engine that works in this process.
func newNative(s *store.Store, f *fetch.Fetcher, c layer.Compression, offline bool) (build.Engine, error) {
	shim, err := build.NewCompiledShim(s, f)
	if err != nil {
		return nil, err
	}
	n := &build.Native{Store: s, Fetch: f, Shim: shim, Compression: c}
	if offline {
		n.Images = append(n.Images, image.Offline())
	}
	return n, nil
}
