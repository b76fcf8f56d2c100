// Package build makes images from definitions and their locks. An image is a
// pure function of the two and of the imgbuild that carries the shim: every
// Engine gives the same digest for them.
package build

import (
	"context"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/lock"
)

// Request is one image to build: one version, variant and platform.
type Request struct {
	Definition *definition.Definition
	Lock       *lock.Lock
	// Image is one of Lock.Images.
	Image lock.Image
}

// Engine builds images.
type Engine interface {
	// Build returns one image a request, in their order. Their layers lie in
	// the store and are read from there when the image is pushed or written.
	Build(ctx context.Context, requests []Request) ([]v1.Image, error)
}
