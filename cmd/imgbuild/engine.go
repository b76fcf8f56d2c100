package main

import (
	"fmt"

	"github.com/imgbuild/imgbuild/pkg/build"
	"github.com/imgbuild/imgbuild/pkg/input/image"
	"github.com/imgbuild/imgbuild/pkg/layer"
	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// newNative returns the engine that works in this process. images says how base
// images are pulled.
func newNative(s *store.Store, f build.Fetcher, c layer.Compression, offline bool, wanted []wantedImage, images ...image.Option) (build.Engine, error) {
	golang, err := golangLock(wanted)
	if err != nil {
		return nil, fmt.Errorf("choosing the Go that compiles the shim: %w", err)
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

// golangLock is that of the golang image inside imgbuild. Reading a lock is
// most of what imgbuild does when nothing has changed, so one that is read
// already is not read again.
func golangLock(wanted []wantedImage) (*lock.Lock, error) {
	for _, w := range wanted {
		if w.definition.Ref == "golang" {
			return w.definition.lock, nil
		}
	}
	d, err := loadDefinition("golang")
	if err != nil {
		return nil, err
	}
	return d.lock, nil
}
