package prove

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/imgbuild/imgbuild/pkg/container"
	"github.com/imgbuild/imgbuild/pkg/shim/conformance"
)

// codePath is the function's folder in every image.
const codePath = "/code"

// subject makes containers of an image for the rules: a conformance.Subject.
type subject struct {
	rootfs *container.Rootfs
	// dir is where the functions' folders are made.
	dir string
}

// instance is a container with the folder that it has as /code.
type instance struct {
	*container.Container
	dir string
}

// Start starts the image as the platform does: its own entrypoint, with the
// case's command as arguments, and the function's folder in its place.
func (s subject) Start(ctx context.Context, c conformance.Case) (conformance.Instance, error) {
	dir, err := os.MkdirTemp(s.dir, "function-*")
	if err != nil {
		return nil, err
	}
	k, err := s.start(ctx, c, dir)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &instance{k, dir}, nil
}

func (s subject) start(ctx context.Context, c conformance.Case, dir string) (*container.Container, error) {
	// The image's user need not be its owner, and programs of rules make
	// sockets there. Nobody else on this machine gets into s.dir.
	if err := os.Chmod(dir, 0o777); err != nil {
		return nil, err
	}
	for name, f := range c.Files {
		if err := f.Place(filepath.Join(dir, name)); err != nil {
			return nil, fmt.Errorf("writing the function: %w", err)
		}
	}
	return container.Start(ctx, container.Spec{
		Rootfs: s.rootfs, Args: c.Command, Env: append([]string{"FC_FUNC_CODE_PATH=" + codePath}, c.Env...),
		Mounts: []container.Mount{{Source: dir, Target: codePath}},
		Stdin:  c.Stdin, Stdout: c.Stdout, Stderr: c.Stderr,
	})
}

// Close ends the container and removes the function.
func (i *instance) Close() error {
	return errors.Join(i.Container.Close(), os.RemoveAll(i.dir))
}
