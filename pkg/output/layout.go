package output

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/imgbuild/imgbuild/pkg/progress"
)

// Annotations of the layout's index (OCI image specification, "Annotations";
// the second is containerd's and is what its import names images by).
const (
	refName        = "org.opencontainers.image.ref.name"
	containerdName = "io.containerd.image.name"
)

// layout writes an OCI image layout, version 1.0.0.
func layout(ctx context.Context, s sink, images []Image) error {
	if err := addBytes(s, "oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`)); err != nil {
		return err
	}
	w := &layoutWriter{ctx: ctx, sink: s, seen: map[v1.Hash]bool{}}
	index := v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: []v1.Descriptor{}}
	long := collide(images)
	for _, i := range images {
		d, err := w.root(i)
		if err != nil {
			return fmt.Errorf("%s: %w", i.Name, err)
		}
		for _, tag := range i.Tags {
			full, name := i.Name+":"+tag, tag
			if long {
				name = full
			}
			named := *d
			named.Annotations = map[string]string{refName: name, containerdName: full}
			index.Manifests = append(index.Manifests, named)
		}
		if len(i.Tags) == 0 {
			index.Manifests = append(index.Manifests, *d)
		}
	}
	b, err := json.Marshal(index)
	if err != nil {
		return err
	}
	return addBytes(s, "index.json", b)
}

// layoutWriter writes blobs, each once.
type layoutWriter struct {
	ctx  context.Context
	sink sink
	seen map[v1.Hash]bool
}

func (w *layoutWriter) root(i Image) (*v1.Descriptor, error) {
	if i.Index != nil {
		if err := w.index(i.Index); err != nil {
			return nil, err
		}
		return partial.Descriptor(i.Index)
	}
	if err := w.image(i.Image); err != nil {
		return nil, err
	}
	d, err := partial.Descriptor(i.Image)
	if err != nil {
		return nil, err
	}
	cf, err := i.Image.ConfigFile()
	if err != nil {
		return nil, err
	}
	d.Platform = cf.Platform()
	return d, nil
}

func (w *layoutWriter) index(idx v1.ImageIndex) error {
	m, err := idx.IndexManifest()
	if err != nil {
		return err
	}
	for _, d := range m.Manifests {
		switch {
		case d.MediaType.IsIndex():
			child, err := idx.ImageIndex(d.Digest)
			if err != nil {
				return err
			}
			if err := w.index(child); err != nil {
				return err
			}
		case d.MediaType.IsImage():
			child, err := idx.Image(d.Digest)
			if err != nil {
				return err
			}
			if err := w.image(child); err != nil {
				return err
			}
		default:
			return fmt.Errorf("an index holds images and indexes, not %q", d.MediaType)
		}
	}
	return w.manifest(idx)
}

func (w *layoutWriter) image(img v1.Image) error {
	layers, err := img.Layers()
	if err != nil {
		return err
	}
	for _, l := range layers {
		if err := w.layer(l); err != nil {
			return err
		}
	}
	config, err := img.RawConfigFile()
	if err != nil {
		return err
	}
	digest, err := img.ConfigName()
	if err != nil {
		return err
	}
	if err := w.blob(digest, int64(len(config)), bytes.NewReader(config)); err != nil {
		return err
	}
	return w.manifest(img)
}

func (w *layoutWriter) manifest(m interface {
	RawManifest() ([]byte, error)
	Digest() (v1.Hash, error)
}) error {
	raw, err := m.RawManifest()
	if err != nil {
		return err
	}
	digest, err := m.Digest()
	if err != nil {
		return err
	}
	return w.blob(digest, int64(len(raw)), bytes.NewReader(raw))
}

func (w *layoutWriter) layer(l v1.Layer) (err error) {
	digest, err := l.Digest()
	if err != nil || w.seen[digest] {
		return err
	}
	size, err := l.Size()
	if err != nil {
		return err
	}
	rc, err := l.Compressed()
	if err != nil {
		return err
	}
	defer rc.Close()
	step := progress.Start(w.ctx, "write layer "+digest.Hex[:12], size)
	defer func() { step.Done(err) }()
	return w.blob(digest, size, &counted{rc, step})
}

func (w *layoutWriter) blob(digest v1.Hash, size int64, content io.Reader) error {
	if w.seen[digest] {
		return nil
	}
	w.seen[digest] = true
	v := newVerifier(content, digest)
	if err := w.sink.add(path.Join("blobs", digest.Algorithm, digest.Hex), size, v); err != nil {
		return err
	}
	return v.check()
}

func addBytes(s sink, name string, b []byte) error {
	return s.add(name, int64(len(b)), bytes.NewReader(b))
}
