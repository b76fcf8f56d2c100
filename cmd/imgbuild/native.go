package main

import (
	"github.com/imgbuild/imgbuild/pkg/build"
	"github.com/imgbuild/imgbuild/pkg/input/image"
	"github.com/imgbuild/imgbuild/pkg/layer"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// newNative returns the engine that works in this process. images says how base
// images are pulled.
func newNative(s *store.Store, f build.Fetcher, c layer.Compression, offline bool, wanted []wantedImage, images ...image.Option) (*build.Native, error) {
	golang, err := golangLock(wanted)
	if err != nil {
		return nil, err
	}
	shim, err := build.NewCompiledShim(s, f, golang)
	if err != nil {
		return nil, err
	}
	n := &build.Native{Store: s, Fetch: f, Shim: shim, Compression: c, Images: images}
	if offline {
		n.Images = append(n.Images, image.Offline())
	}
	return n, nil
}
