package definition

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/imgbuild/imgbuild/pkg/stream"
)

// Limits of a definition's folder that comes from elsewhere.
const (
	// MaxFolder is of all files together, in bytes.
	MaxFolder = 512 << 20
	// MaxFolderFiles is the number of files and folders.
	MaxFolderFiles = 10_000
)

// Extract writes the folder of a definition, which somebody has packed as
// tar.gz, below root. It overwrites nothing and takes nothing but plain files
// and folders: no links, no devices, no modes and no owners. What it has
// written until an error stays.
func Extract(packed io.Reader, root *os.Root) error { return extract(packed, root, MaxFolder) }

func extract(packed io.Reader, root *os.Root, limit int64) error {
	z, err := gzip.NewReader(packed)
	if err != nil {
		return err
	}
	defer z.Close()
	t := tar.NewReader(stream.Limit(z, limit, fmt.Errorf("it has more than %d bytes", limit)))
	for n := 0; ; n++ {
		h, err := t.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if n >= MaxFolderFiles {
			return fmt.Errorf("it has more than %d files", MaxFolderFiles)
		}
		if err := extractOne(t, h, root); err != nil {
			return fmt.Errorf("%.200q: %w", h.Name, err)
		}
	}
}

func extractOne(t *tar.Reader, h *tar.Header, root *os.Root) error {
	name := path.Clean(h.Name)
	switch {
	case !fs.ValidPath(name):
		return errors.New("the name leads out of the folder")
	case h.Typeflag == tar.TypeDir:
		return root.MkdirAll(filepath.FromSlash(name), 0o755)
	case h.Typeflag != tar.TypeReg || name == ".":
		return errors.New("it is neither a file nor a folder")
	}
	if err := root.MkdirAll(filepath.FromSlash(path.Dir(name)), 0o755); err != nil {
		return err
	}
	f, err := root.OpenFile(filepath.FromSlash(name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, t)
	return errors.Join(err, f.Close())
}
