package output

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/imgbuild/imgbuild/pkg/stream"
)

// sink takes files, each once, with slash-separated relative names.
type sink interface {
	add(name string, size int64, content io.Reader) error
}

// tarSink writes files to a tar whose bytes depend on nothing else: no times,
// no owners.
type tarSink struct {
	ctx context.Context
	w   *tar.Writer
}

func newTarSink(ctx context.Context, w io.Writer) *tarSink {
	return &tarSink{ctx: ctx, w: tar.NewWriter(w)}
}

func (t *tarSink) add(name string, size int64, content io.Reader) error {
	// GNU's format holds files of more than 8 GiB, and docker reads it.
	h := &tar.Header{Name: name, Size: size, Mode: 0o644, Typeflag: tar.TypeReg, ModTime: time.Unix(0, 0), Format: tar.FormatGNU}
	if err := t.w.WriteHeader(h); err != nil {
		return err
	}
	n, err := io.Copy(t.w, stream.Until(t.ctx, content))
	if errors.Is(err, tar.ErrWriteTooLong) || err == nil && n != size {
		return fmt.Errorf("%s is not of %d bytes, as its descriptor says", name, size)
	}
	return err
}

func (t *tarSink) close() error { return t.w.Close() }

// dirSink writes files to a folder.
type dirSink struct {
	ctx  context.Context
	root *os.Root
}

func (d *dirSink) in(ctx context.Context) *dirSink { return &dirSink{ctx: ctx, root: d.root} }

func (d *dirSink) add(name string, size int64, content io.Reader) error {
	name = filepath.FromSlash(name)
	if err := d.root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := d.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	n, err := io.Copy(f, stream.Until(d.ctx, content))
	if err == nil && n != size {
		err = fmt.Errorf("%s has %d bytes and not %d, as its descriptor says", name, n, size)
	}
	return errors.Join(err, f.Close())
}

// replaceFile writes beside path and renames.
func replaceFile(path string, write func(io.Writer) error) (err error) {
	if fi, err := os.Stat(path); err == nil && !fi.Mode().IsRegular() {
		if fi.IsDir() {
			return errors.New("it is a folder; name a file")
		}
		// A pipe or a device cannot be replaced, and is written as it is.
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		return errors.Join(write(f), f.Close())
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".imgbuild-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if err := errors.Join(write(f), f.Chmod(0o644), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// replaceLayout writes a folder beside path and renames. What is there already
// is replaced only where it is empty or an OCI layout.
func replaceLayout(path string, write func(*dirSink) error) (err error) {
	path = filepath.Clean(path)
	there, err := replaceable(path)
	if err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(path), ".imgbuild-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	root, err := os.OpenRoot(tmp)
	if err != nil {
		return err
	}
	if err := errors.Join(write(&dirSink{root: root}), root.Close(), os.Chmod(tmp, 0o755)); err != nil {
		return err
	}
	if there {
		// Folders cannot be exchanged in one step everywhere; the old one is
		// kept until the new one is in its place.
		old := tmp + ".old"
		if err := os.Rename(path, old); err != nil {
			return err
		}
		if err := os.Rename(tmp, path); err != nil {
			return errors.Join(err, os.Rename(old, path))
		}
		return os.RemoveAll(old)
	}
	return os.Rename(tmp, path)
}

func replaceable(path string) (there bool, err error) {
	entries, err := os.ReadDir(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if len(entries) > 0 {
		if _, err := os.Stat(filepath.Join(path, "oci-layout")); err != nil {
			return false, errors.New("the folder is there and is not an OCI layout; name another one, or a file that ends in .tar")
		}
	}
	return true, nil
}
