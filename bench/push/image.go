package main

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// image is an OCI layout with one image, as all clients read it.
type image struct {
	dir, tag string
	size     int64 // of its config and layers in bytes
}

const refName = "org.opencontainers.image.ref.name"

// golang writes golang's newest full image.
func (b *bench) golang(ctx context.Context) (*image, error) {
	i := &image{dir: filepath.Join(b.Dir, "golang"), tag: "bench"}
	if _, err := os.Stat(i.dir); err != nil {
		if _, err := b.Run(ctx, "golang", "--output", "type=oci,dest="+i.dir); err != nil {
			return nil, err
		}
	}
	raw, err := os.ReadFile(filepath.Join(i.dir, "index.json"))
	if err != nil {
		return nil, err
	}
	var index v1.IndexManifest
	if err := json.Unmarshal(raw, &index); err != nil {
		return nil, err
	}
	// It is there under each of its tags; crane takes layouts with one entry.
	if raw, err = os.ReadFile(filepath.Join(i.dir, "blobs", "sha256", index.Manifests[0].Digest.Hex)); err != nil {
		return nil, err
	}
	var m v1.Manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, err
	}
	return i, i.finish(index.Manifests[0], &m)
}

// finish writes the layout's index.
func (i *image) finish(d v1.Descriptor, m *v1.Manifest) error {
	d.Annotations = map[string]string{refName: i.tag}
	i.size = m.Config.Size
	for _, l := range m.Layers {
		i.size += l.Size
	}
	raw, err := json.Marshal(v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: []v1.Descriptor{d}})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(i.dir, "index.json"), raw, 0o644)
}

// large writes an image of one layer: a file of random bytes, of about mib MiB.
func (b *bench) large(mib int) (*image, error) {
	i := &image{dir: filepath.Join(b.Dir, fmt.Sprint("large-", mib)), tag: "bench"}
	blobs := filepath.Join(i.dir, "blobs", "sha256")
	if err := os.MkdirAll(blobs, 0o755); err != nil {
		return nil, err
	}
	layer, diff, err := writeLayer(blobs, int64(mib)<<20)
	if err != nil {
		return nil, err
	}
	config, err := writeJSON(blobs, types.OCIConfigJSON, v1.ConfigFile{
		Architecture: "amd64", OS: "linux", RootFS: v1.RootFS{Type: "layers", DiffIDs: []v1.Hash{diff}},
	})
	if err != nil {
		return nil, err
	}
	m := v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1, Config: config, Layers: []v1.Descriptor{layer}}
	d, err := writeJSON(blobs, types.OCIManifestSchema1, m)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(i.dir, "oci-layout"), []byte(`{"imageLayoutVersion":"1.0.0"}`), 0o644); err != nil {
		return nil, err
	}
	return i, i.finish(d, &m)
}

func sum(h hash.Hash) v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(h.Sum(nil))}
}

// writeLayer writes a gzipped tar, which nothing makes smaller.
func writeLayer(blobs string, size int64) (d v1.Descriptor, diff v1.Hash, err error) {
	f, err := os.CreateTemp(blobs, "layer-*")
	if err != nil {
		return d, diff, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	compressed, plain := sha256.New(), sha256.New()
	z, err := gzip.NewWriterLevel(io.MultiWriter(f, compressed), gzip.NoCompression)
	if err != nil {
		return d, diff, err
	}
	t := tar.NewWriter(io.MultiWriter(z, plain))
	if err := t.WriteHeader(&tar.Header{Name: "file", Mode: 0o644, Size: size}); err != nil {
		return d, diff, err
	}
	if _, err := io.CopyN(t, rand.NewChaCha8([32]byte{1}), size); err != nil {
		return d, diff, err
	}
	if err := errors.Join(t.Close(), z.Close()); err != nil {
		return d, diff, err
	}
	fi, err := f.Stat()
	if err != nil {
		return d, diff, err
	}
	d = v1.Descriptor{MediaType: types.OCILayer, Size: fi.Size(), Digest: sum(compressed)}
	return d, sum(plain), os.Rename(f.Name(), filepath.Join(blobs, d.Digest.Hex))
}

func writeJSON(blobs string, kind types.MediaType, v any) (v1.Descriptor, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return v1.Descriptor{}, err
	}
	h := sha256.Sum256(raw)
	d := v1.Descriptor{MediaType: kind, Size: int64(len(raw)), Digest: v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(h[:])}}
	return d, os.WriteFile(filepath.Join(blobs, d.Digest.Hex), raw, 0o644)
}
