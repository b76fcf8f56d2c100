// Package gotoolchain is the Go toolchain that goes into images: the module
// golang.org/toolchain, whose versions are v0.0.1-go<version>.<os>-<arch> and
// whose content is the Go distribution (https://go.dev/doc/toolchain and the
// package comment of cmd/go/internal/toolchain). It reaches every Go module
// mirror, and Go's checksum database has its hash.
package gotoolchain

import (
	"context"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/lock"
)

// Archive is the name under which inputs of this package ask for their mirror.
const Archive = "go"

// Module is the module that toolchains are versions of.
const Module = "golang.org/toolchain"

// ChecksumDatabase is who vouched for a toolchain, in locks. The database's
// own name is left out: it may be a host of the company's own.
const ChecksumDatabase = "go checksum database"

// Source is where lists of versions and module zips come from.
type Source interface {
	// Get returns the file at path, at most max bytes long.
	Get(ctx context.Context, archive, path string, max int64) ([]byte, error)
	// Exists says whether the file at path can be had.
	Exists(ctx context.Context, archive, path string) (bool, error)
	// Fetch brings an input into the store.
	Fetch(ctx context.Context, in lock.Input) (v1.Hash, error)
}
