package prove

import (
	"context"
	"errors"
	"fmt"
	"io"
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
	if err := os.Chmod(dir, 0o755); err != nil { // the image's user need not be its owner
		return nil, err
	}
	for name, f := range c.Files {
		if err := place(filepath.Join(dir, name), f); err != nil {
			return nil, fmt.Errorf("writing the function: %w", err)
		}
	}
	return container.Start(ctx, container.Spec{
		Rootfs: s.rootfs, Args: c.Command, Env: append([]string{"FC_FUNC_CODE_PATH=" + codePath}, c.Env...),
		Mounts: []container.Mount{{Source: dir, Target: codePath}},
		Stdin:  c.Stdin, Stdout: c.Stdout, Stderr: c.Stderr,
	})
}

// place writes a file of the function, or gives that of the host another name.
func place(path string, f conformance.File) error {
	if f.From == "" {
		if err := os.WriteFile(path, []byte(f.Content), f.Mode); err != nil {
			return err
		}
		return os.Chmod(path, f.Mode) // whatever the umask is
	}
	if os.Link(f.From, path) == nil {
		return nil
	}
	return copyFile(f.From, path, f.Mode)
}

func copyFile(from, to string, mode os.FileMode) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Chmod(mode), out.Close())
}

// Close ends the container and removes the function.
func (i *instance) Close() error {
	return errors.Join(i.Container.Close(), os.RemoveAll(i.dir))
}
