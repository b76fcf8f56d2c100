package bundle

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/stream"
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
	if err := definition.Extract(stream.Until(ctx, rc), root); err != nil {
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
