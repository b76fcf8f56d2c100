package attach

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/klauspost/compress/gzip"
)

// maxPacked limits a source layer in bytes as it is in the registry.
const maxPacked = 64 << 20

// Unpack writes the files of a source layer below dir, and says whether there
// is such a layer. A nil Attachment has none.
func (a *Attachment) Unpack(ctx context.Context, layer v1.Hash, dir string) (found bool, err error) {
	for _, d := range a.of(SourceType) {
		if d.Digest == layer {
			return true, a.unpack(ctx, d, dir)
		}
	}
	return false, nil
}

func (a *Attachment) unpack(ctx context.Context, d v1.Descriptor, dir string) error {
	if d.Size > maxPacked {
		return fmt.Errorf("the source has %d bytes, more than %d", d.Size, maxPacked)
	}
	// All of it is in the store, and has its digest, before any of it is
	// believed: the store's reader fails at the end where it has another.
	rc, err := a.repo.remote.Blob(ctx, a.repo.name, d)
	if err != nil {
		return err
	}
	defer rc.Close()
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := unpack(rc, root, MaxSource); err != nil {
		return fmt.Errorf("unpacking the source %s: %w", d.Digest, err)
	}
	_, err = io.Copy(io.Discard, rc)
	return err
}

// unpack writes the files of a tar below root. All but plain files and folders
// is refused, as are more or larger files than a definition may have: more
// than limit bytes.
func unpack(packed io.Reader, root *os.Root, limit int64) error {
	z, err := gzip.NewReader(packed)
	if err != nil {
		return err
	}
	defer z.Close()
	limited := &io.LimitedReader{R: z, N: limit + maxSourceFiles*2*512}
	t := tar.NewReader(limited)
	for n := 0; ; n++ {
		h, err := t.Next()
		switch {
		case err == io.EOF:
			return nil
		case limited.N <= 0 || n > maxSourceFiles:
			return fmt.Errorf("it has more than %d files or %d bytes", maxSourceFiles, limit)
		case err != nil:
			return err
		}
		if err := unpackOne(t, h, root); err != nil {
			if limited.N <= 0 {
				err = fmt.Errorf("it has more than %d bytes", limit)
			}
			return err
		}
	}
}

func unpackOne(t *tar.Reader, h *tar.Header, root *os.Root) error {
	name := path.Clean(h.Name)
	switch {
	case !fs.ValidPath(name):
		return fmt.Errorf("the path %.200q leads out of the folder", h.Name)
	case h.Typeflag == tar.TypeDir:
		return root.MkdirAll(name, 0o755)
	case h.Typeflag != tar.TypeReg || name == ".":
		return fmt.Errorf("%.200q is neither a file nor a folder", h.Name)
	}
	if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, t)
	return errors.Join(err, f.Close())
}
