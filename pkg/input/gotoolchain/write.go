package gotoolchain

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/imgbuild/imgbuild/pkg/layer"
	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// goroot is where the distribution is in an image, without the leading slash.
const goroot = "usr/local/go"

// Write puts the toolchain's files below /usr/local/go, sorted by path, except
// those that one of the patterns matches. Patterns are over paths relative to
// GOROOT, such as "**/testdata/**".
func Write(ctx context.Context, sink layer.Sink, st *store.Store, in lock.Input, exclude []string) error {
	a, err := openArchive(st, in)
	if err != nil {
		return fmt.Errorf("writing Go %s: %w", in.Version, err)
	}
	defer a.Close()
	wanted, err := without(a.entries, exclude)
	if err != nil {
		return fmt.Errorf("writing Go %s: %w", in.Version, err)
	}
	err = each(ctx, wanted, func(e entry, content io.Reader) error {
		return sink.Add(&tar.Header{
			Typeflag: tar.TypeReg,
			Name:     path.Join(goroot, e.path),
			Size:     e.size(),
			Mode:     int64(e.mode()),
			ModTime:  a.time,
		}, content)
	})
	if err != nil {
		return fmt.Errorf("writing Go %s: %w", in.Version, err)
	}
	return nil
}

// Extract unpacks the toolchain into dir, which becomes its GOROOT, so that
// its go command can be run. dir is made if it is not there; a file that
// exists is an error. Patterns leave files out as in Write.
func Extract(ctx context.Context, st *store.Store, in lock.Input, dir string, exclude ...string) error {
	if err := extract(ctx, st, in, dir, exclude); err != nil {
		return fmt.Errorf("unpacking Go %s: %w", in.Version, err)
	}
	return nil
}

func extract(ctx context.Context, st *store.Store, in lock.Input, dir string, exclude []string) error {
	a, err := openArchive(st, in)
	if err != nil {
		return err
	}
	defer a.Close()
	wanted, err := without(a.entries, exclude)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	made := ""
	return each(ctx, wanted, func(e entry, content io.Reader) error {
		if d := path.Dir(e.path); d != made {
			if err := root.MkdirAll(d, 0o755); err != nil {
				return err
			}
			made = d
		}
		f, err := root.OpenFile(e.path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, e.mode())
		if err != nil {
			return err
		}
		_, err = io.Copy(f, content)
		// The mode once more, as the umask may have taken something away.
		if err := errors.Join(err, f.Chmod(e.mode()), f.Close()); err != nil {
			return err
		}
		return root.Chtimes(e.path, a.time, a.time)
	})
}

func without(entries []entry, exclude []string) ([]entry, error) {
	for _, pattern := range exclude {
		if !doublestar.ValidatePattern(pattern) {
			return nil, fmt.Errorf("%q is not a valid path pattern", pattern)
		}
	}
	var wanted []entry
	for _, e := range entries {
		if !slices.ContainsFunc(exclude, func(p string) bool { return doublestar.MatchUnvalidated(p, e.path) }) {
			wanted = append(wanted, e)
		}
	}
	return wanted, nil
}
