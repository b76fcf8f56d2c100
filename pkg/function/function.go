// Package function makes a function's image from the folder with its source,
// without a Dockerfile: it compiles Go, installs what a Node.js project depends
// on, compiles TypeScript, and puts the result as layers on a base image.
//
// As with base images, the same source gives the same digest on every machine:
// what compiles is locked, and no clock, user, umask or path gets in.
package function

import (
	"context"
	"fmt"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/layer"
	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/mirror"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// Maker has what is needed to make functions.
type Maker struct {
	Store *store.Store
	// Fetch puts a locked input into the store.
	Fetch       func(context.Context, lock.Input) (v1.Hash, error)
	Mirrors     *mirror.Mirrors
	Compression layer.Compression
	// Offline says that no connection may be opened.
	Offline bool
	// Note tells the user something that is no failure.
	Note func(format string, args ...any)

	baseFiles map[v1.Hash]baseFiles
}

// Function is what is put on the base image for one platform.
type Function struct {
	// Layers are put above those of the base, from the bottom up.
	Layers []Layer
	// Cmd is the command that the shim starts; nil leaves that of the base.
	Cmd []string
	// Env are variables, NAME=value, besides those of the base.
	Env []string
}

// Layer is one layer of a function.
type Layer struct {
	v1.Layer
	name string
}

// Name is shown when the layer is pushed.
func (l Layer) Name() string { return l.name }

// codeDir is where functions lie in an image, relative to its root.
const codeDir = "code"

// architecture is the GOARCH of a platform that images are built for.
func architecture(platform string) (string, error) {
	switch platform {
	case "linux/amd64":
		return "amd64", nil
	case "linux/arm64":
		return "arm64", nil
	}
	return "", fmt.Errorf("functions are built for linux/amd64 and linux/arm64, not for %q", platform)
}

// fileTime is the time of a function's files: that of all files which have none
// of their own, and of those that npm packs.
var fileTime = time.Date(1985, 10, 26, 8, 15, 0, 0, time.UTC)
