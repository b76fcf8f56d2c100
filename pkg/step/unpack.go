package step

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/container"
	"github.com/imgbuild/imgbuild/pkg/layer"
)

// Unpack says which layer goes where.
type Unpack struct {
	// Layer is the folder that another step has left its layer in.
	Layer string `json:"layer"`
	// Root is what it is laid over.
	Root string `json:"root"`
}

func (u Unpack) run(ctx context.Context) error {
	b, err := os.ReadFile(filepath.Join(u.Layer, LayerFile))
	if err != nil {
		return err
	}
	var r layer.Record
	if err := json.Unmarshal(b, &r); err != nil {
		return fmt.Errorf("reading %s: %w", LayerFile, err)
	}
	blob := filepath.Join(u.Layer, BlobPath(r.Digest))
	return container.Apply(ctx, u.Root, leftLayer{path: blob, compression: r.Compression}, r.DiffID)
}

// leftLayer is a layer that a step has left, to be unpacked. Unlike the
// library's it is read once, not for its digests before.
type leftLayer struct {
	v1.Layer
	path        string
	compression layer.Compression
}

func (l leftLayer) Uncompressed() (io.ReadCloser, error) {
	f, err := os.Open(l.path)
	if err != nil {
		return nil, err
	}
	r, err := l.compression.Reader(f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return unpacking{r, f}, nil
}

type unpacking struct {
	io.ReadCloser
	blob io.Closer
}

func (u unpacking) Close() error { return errors.Join(u.ReadCloser.Close(), u.blob.Close()) }
