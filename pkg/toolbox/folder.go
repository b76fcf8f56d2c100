package toolbox

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"github.com/imgbuild/imgbuild/pkg/layer"
)

// folderSink is a layer.Sink that writes to disk.
type folderSink struct {
	root *os.Root
	// keep says which paths are wanted.
	keep func(name string) bool
}

var _ layer.Sink = (*folderSink)(nil)

// Add writes one entry. Files that programs need are files, folders and links.
func (f *folderSink) Add(hdr *tar.Header, content io.Reader) error {
	name := strings.TrimSuffix(hdr.Name, "/")
	if !f.keep(name) {
		return nil
	}
	if err := f.root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	switch hdr.Typeflag {
	case tar.TypeDir:
		return f.root.MkdirAll(name, 0o755)
	case tar.TypeSymlink:
		return f.root.Symlink(hdr.Linkname, name)
	case tar.TypeReg, 0:
		return f.file(name, hdr.FileInfo().Mode().Perm(), content)
	}
	return fmt.Errorf("%s: entries of type %q are not unpacked", name, hdr.Typeflag)
}

func (f *folderSink) file(name string, mode os.FileMode, content io.Reader) error {
	out, err := f.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, content)
	// The mode once more, as the umask may have taken something away.
	return errors.Join(err, out.Chmod(mode), out.Close())
}
