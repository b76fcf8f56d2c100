package bundle

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/lock"
)

// Limits of a bundle's folder when it is unpacked.
const (
	maxFiles    = 10_000
	maxUnpacked = 512 << 20 // bytes of all files
)

// Unpack writes the bundle's definition, its lock and the keyrings into the
// folder dir, which must not be there: all of it or nothing. The folder's digest
// is compared, the lock must be whole and belong to the definition, and the
// bundle must list each input that the lock names for its platforms.
func (b *Bundle) Unpack(ctx context.Context, dir string) error {
	p, err := b.single(ctx)
	if err == nil {
		err = b.unpack(ctx, p, filepath.Clean(dir))
	}
	if err != nil {
		return fmt.Errorf("unpacking %s to %s: %w", b, dir, err)
	}
	return nil
}

func (b *Bundle) unpack(ctx context.Context, p *part, dir string) error {
	if _, err := os.Lstat(dir); err == nil {
		return fmt.Errorf("%w; name a folder that is not there yet", fs.ErrExist)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), ".imgbuild-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	if err := p.extract(ctx, tmp); err != nil {
		return err
	}
	if err := p.check(tmp); err != nil {
		return err
	}
	if err := os.Chmod(tmp, 0o755); err != nil {
		return err
	}
	// A link or a file that came in between is not replaced, and a folder only
	// where it is empty (rename(2)).
	return os.Rename(tmp, dir)
}

func (p *part) extract(ctx context.Context, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	rc, err := p.source.Blob(ctx, p.contents.folder)
	if err != nil {
		return err
	}
	defer rc.Close()
	if err := extract(&ending{ctx, rc}, root); err != nil {
		return fmt.Errorf("the bundle's folder: %w", err)
	}
	// To the very end, where the digest is compared.
	_, err = io.Copy(io.Discard, rc)
	return err
}

// check says whether what was unpacked is a definition with its lock, and what
// the manifest lists.
func (p *part) check(dir string) error {
	d, err := definition.Load(dir)
	if err != nil {
		return err
	}
	l, err := lock.Load(d)
	if err != nil {
		return err
	}
	if l.Sum != p.contents.lock || d.Name != p.contents.definition {
		return fmt.Errorf("the bundle says that it is of %s with the lock %s, and has %s with %s", p.contents.definition, p.contents.lock, d.Name, l.Sum)
	}
	for _, img := range l.Images {
		if !slices.Contains(p.contents.platforms, img.Platform) {
			continue
		}
		for _, layer := range img.Layers {
			ins, err := l.FindAll(layer.Inputs)
			if err != nil {
				return err
			}
			for _, in := range ins {
				if got, ok := p.contents.inputs[hash(in)]; !ok || got.Size != in.Size {
					return fmt.Errorf("the bundle lacks %s, which its lock names for %s", in.ID, img.Platform)
				}
			}
		}
	}
	return nil
}

// extract unpacks a tar.gz of files and folders into root. It overwrites
// nothing, and takes no links and no devices.
func extract(r io.Reader, root *os.Root) error {
	z, err := gzip.NewReader(r)
	if err != nil {
		return err
	}
	t := tar.NewReader(&bounded{z, maxUnpacked})
	var n int
	for {
		h, err := t.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if n++; n > maxFiles {
			return fmt.Errorf("it has more than %d files", maxFiles)
		}
		if err := extractOne(t, h, root); err != nil {
			return fmt.Errorf("%.200q: %w", h.Name, err)
		}
	}
}

func extractOne(t *tar.Reader, h *tar.Header, root *os.Root) error {
	name := path.Clean(h.Name)
	if !fs.ValidPath(name) {
		return errors.New("the name leads out of the folder")
	}
	switch {
	case h.Typeflag == tar.TypeDir:
		return root.MkdirAll(filepath.FromSlash(name), 0o755)
	case h.Typeflag != tar.TypeReg:
		return errors.New("it is neither a file nor a folder")
	case h.Size > definition.MaxFile:
		return fmt.Errorf("it has %d bytes, more than %d", h.Size, definition.MaxFile)
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

// bounded fails where more than left bytes come.
type bounded struct {
	r    io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, fmt.Errorf("it unpacks to more than %d bytes", int64(maxUnpacked))
	}
	return n, err
}
