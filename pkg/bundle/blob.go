package bundle

import (
	"fmt"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/imgbuild/imgbuild/pkg/lock"
)

// blob is an input as a layer: its bytes as they are. Opening it fetches it,
// where the store lacks it.
type blob struct {
	lock.Input
	from origin
}

var _ v1.Layer = blob{}

func hash(in lock.Input) v1.Hash { return v1.Hash{Algorithm: "sha256", Hex: in.SHA256} }

// Name is what package push shows.
func (b blob) Name() string { return b.Input.Name + " " + b.Version }

func (b blob) Digest() (v1.Hash, error)             { return hash(b.Input), nil }
func (b blob) DiffID() (v1.Hash, error)             { return hash(b.Input), nil }
func (b blob) Size() (int64, error)                 { return b.Input.Size, nil }
func (b blob) MediaType() (types.MediaType, error)  { return InputType, nil }
func (b blob) Uncompressed() (io.ReadCloser, error) { return b.Compressed() }

func (b blob) Compressed() (io.ReadCloser, error) {
	h := hash(b.Input)
	if size, ok := b.from.store.Has(h); !ok || size != b.Input.Size {
		if err := b.fetch(); err != nil {
			return nil, fmt.Errorf("%s %s: %w", b.Input.Name, b.Version, err)
		}
	}
	return b.from.store.Stream(h)
}

func (b blob) fetch() error {
	if b.Kind == lock.KindImage {
		return b.from.images.Fetch(b.from.ctx, b.Input)
	}
	_, err := b.from.fetch.Fetch(b.from.ctx, b.Input)
	return err
}
