package step

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// described are images whose manifests and configurations are at hand, and whose
// layers lie where steps have left them. (The library's layouts take no blob
// that lies elsewhere.)
type described struct {
	small  map[v1.Hash][]byte
	layers string // LayersDir
}

func (d *described) get(h v1.Hash) ([]byte, error) {
	raw, ok := d.small[h]
	if !ok {
		return nil, fmt.Errorf("%s is to be pushed and was not described", h)
	}
	return raw, nil
}

func (d *described) image(h v1.Hash) (v1.Image, error) {
	raw, err := d.get(h)
	if err != nil {
		return nil, err
	}
	m, err := v1.ParseManifest(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	return partial.CompressedToImage(&describedImage{described: d, raw: raw, manifest: m})
}

// describedImage is a partial.CompressedImageCore.
type describedImage struct {
	*described
	raw      []byte
	manifest *v1.Manifest
}

func (i *describedImage) RawManifest() ([]byte, error)        { return i.raw, nil }
func (i *describedImage) RawConfigFile() ([]byte, error)      { return i.get(i.manifest.Config.Digest) }
func (i *describedImage) MediaType() (types.MediaType, error) { return i.manifest.MediaType, nil }

func (i *describedImage) LayerByDigest(h v1.Hash) (partial.CompressedLayer, error) {
	for _, l := range i.manifest.Layers {
		if l.Digest == h {
			return describedLayer{l, filepath.Join(i.layers, h.Hex, BlobPath(h))}, nil
		}
	}
	return nil, fmt.Errorf("the image has no layer %s", h)
}

// describedLayer is a partial.CompressedLayer.
type describedLayer struct {
	v1.Descriptor
	path string
}

func (l describedLayer) Digest() (v1.Hash, error)            { return l.Descriptor.Digest, nil }
func (l describedLayer) Size() (int64, error)                { return l.Descriptor.Size, nil }
func (l describedLayer) MediaType() (types.MediaType, error) { return l.Descriptor.MediaType, nil }
func (l describedLayer) Compressed() (io.ReadCloser, error)  { return os.Open(l.path) }

// describedIndex is a v1.ImageIndex.
type describedIndex struct {
	*described
	raw      []byte
	manifest *v1.IndexManifest
}

func (d *described) index(h v1.Hash) (v1.ImageIndex, error) {
	raw, err := d.get(h)
	if err != nil {
		return nil, err
	}
	m, err := v1.ParseIndexManifest(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	return &describedIndex{described: d, raw: raw, manifest: m}, nil
}

func (i *describedIndex) Digest() (v1.Hash, error)                    { return digestOf(i.raw), nil }
func (i *describedIndex) Size() (int64, error)                        { return int64(len(i.raw)), nil }
func (i *describedIndex) MediaType() (types.MediaType, error)         { return i.manifest.MediaType, nil }
func (i *describedIndex) RawManifest() ([]byte, error)                { return i.raw, nil }
func (i *describedIndex) IndexManifest() (*v1.IndexManifest, error)   { return i.manifest, nil }
func (i *describedIndex) Image(h v1.Hash) (v1.Image, error)           { return i.image(h) }
func (i *describedIndex) ImageIndex(h v1.Hash) (v1.ImageIndex, error) { return i.index(h) }
