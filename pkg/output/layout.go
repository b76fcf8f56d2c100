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

	"github.com/imgbuild/imgbuild/pkg/content"
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
	c, err := content.Of(i.Image, i.Index)
	if err != nil {
		return nil, err
	}
	for _, b := range c.Blobs {
		if err := w.content(b); err != nil {
			return nil, err
		}
	}
	for _, m := range c.Manifests {
		if err := w.blob(m.Digest, int64(len(m.Raw)), bytes.NewReader(m.Raw)); err != nil {
			return nil, err
		}
	}
	if i.Index != nil {
		return partial.Descriptor(i.Index)
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

// content writes a layer or a config, if it is not there yet.
func (w *layoutWriter) content(b content.Blob) (err error) {
	if w.seen[b.Digest] {
		return nil
	}
	rc, err := b.Open()
	if err != nil {
		return err
	}
	defer rc.Close()
	step := progress.Start(w.ctx, "write "+b.Name, b.Size)
	defer func() { step.Done(err) }()
	return w.blob(b.Digest, b.Size, &counted{rc, step})
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
