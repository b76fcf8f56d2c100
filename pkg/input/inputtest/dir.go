package inputtest

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"testing"
)

// Dir is a layer.Sink that unpacks into a folder, so that what is in a layer
// can be run.
type Dir struct{ root *os.Root }

// NewDir returns a sink for the folder, which is made if it is not there.
func NewDir(t testing.TB, dir string) *Dir {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return &Dir{root}
}

// Add unpacks an entry.
func (d *Dir) Add(hdr *tar.Header, content io.Reader) error {
	if err := d.root.MkdirAll(path.Dir(hdr.Name), 0o755); err != nil {
		return err
	}
	switch hdr.Typeflag {
	case tar.TypeSymlink:
		return d.root.Symlink(hdr.Linkname, hdr.Name)
	case tar.TypeReg:
		f, err := d.root.OpenFile(hdr.Name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, fs.FileMode(hdr.Mode).Perm())
		if err != nil {
			return err
		}
		_, err = io.CopyN(f, content, hdr.Size)
		return errors.Join(err, f.Close())
	}
	return fmt.Errorf("%s: tar type %q", hdr.Name, hdr.Typeflag)
}
