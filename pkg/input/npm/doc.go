// Package npm is the npm packages that go into images: which version to take,
// whether the registry's bytes are what the registry signed, and which files
// of the package become files of a layer.
//
// Facts about the registry are from npm's documentation: "package-metadata"
// (packuments) in github.com/npm/registry, and "About ECDSA registry
// signatures" on docs.npmjs.com.
package npm

import (
	"context"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/lock"
)

// Archive is the name under which inputs of this package ask for their mirror.
const Archive = "npm"

// Source is where packuments and tarballs come from.
type Source interface {
	// Get returns the file at path, at most max bytes long.
	Get(ctx context.Context, archive, path string, max int64) ([]byte, error)
	// Exists says whether the file at path can be had.
	Exists(ctx context.Context, archive, path string) (bool, error)
	// Fetch brings an input into the store. Where in.SHA256 is empty, any
	// content is taken, and verifying it is left to the caller.
	Fetch(ctx context.Context, in lock.Input) (v1.Hash, error)
}
