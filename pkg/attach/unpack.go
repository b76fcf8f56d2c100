package attach

import (
	"context"
	"fmt"
	"io"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/definition"
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
	if err := definition.Extract(rc, root); err != nil {
		return fmt.Errorf("unpacking the source %s: %w", d.Digest, err)
	}
	_, err = io.Copy(io.Discard, rc)
	return err
}
