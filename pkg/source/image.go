package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// maxConfig limits a config in bytes; it is held in memory.
const maxConfig = 8 << 20

// bundle reads manifests out of one place.
type bundle struct {
	ctx   context.Context
	blobs blobs
}

// manifest is one manifest or index, as its bytes.
type manifest struct {
	*bundle
	digest v1.Hash
	raw    []byte
	kind   types.MediaType
	// One of the two is set.
	image *v1.Manifest
	index *v1.IndexManifest
}

func (b *bundle) read(d v1.Descriptor) (*manifest, error) {
	if d.Digest.Algorithm != "sha256" {
		return nil, fmt.Errorf("the manifest %s has no SHA-256 digest", d.Digest)
	}
	raw, err := b.blobs.manifest(b.ctx, d)
	if err != nil {
		return nil, err
	}
	m := &manifest{bundle: b, digest: d.Digest, raw: raw}
	if err := m.parse(); err != nil {
		return nil, fmt.Errorf("manifest %s: %w", d.Digest, err)
	}
	return m, nil
}

// parse takes the kind from the bytes, which are what the digest vouches for.
// Those without a media type inside are OCI's; indexes have manifests, images
// a config (OCI image specification, "Image Manifest" and "Image Index").
func (m *manifest) parse() (err error) {
	i, err := v1.ParseIndexManifest(bytes.NewReader(m.raw))
	if err != nil {
		return err
	}
	m.kind = i.MediaType
	switch {
	case i.SchemaVersion != 2:
		return errors.New("it is of Docker's first schema, which has no digests of its layers; pull and push it with a newer client first")
	case m.kind.IsIndex(), m.kind == "" && i.Manifests != nil:
		m.index = i
		if m.kind == "" {
			m.kind = types.OCIImageIndex
		}
		return checkAll(i.Manifests)
	case m.kind.IsImage(), m.kind == "":
		if m.image, err = v1.ParseManifest(bytes.NewReader(m.raw)); err != nil {
			return err
		}
		if m.kind == "" {
			m.kind = types.OCIManifestSchema1
		}
		return checkAll(append([]v1.Descriptor{m.image.Config}, m.image.Layers...))
	}
	return fmt.Errorf("it is a %q, neither an image nor an index", m.kind)
}

func checkAll(ds []v1.Descriptor) error {
	for i, d := range ds {
		if d.Digest.Algorithm != "sha256" || d.Size < 0 {
			return fmt.Errorf("its descriptor %d has no SHA-256 digest or no size", i)
		}
	}
	return nil
}

// choose returns the image for a platform.
func (b *bundle) choose(m *manifest, platform string) (*manifest, error) {
	want, err := v1.ParsePlatform(platform)
	if err != nil {
		return nil, err
	}
	if m.index == nil {
		return m, m.isFor(platform, want)
	}
	for _, d := range m.index.Manifests {
		if d.Platform != nil && d.Platform.Satisfies(*want) && (d.MediaType.IsImage() || d.MediaType == "") {
			return b.read(d)
		}
	}
	return nil, fmt.Errorf("it has no %s, only %s", platform, strings.Join(platforms(m.index), ", "))
}

// isFor asks a single image's config for its platform.
func (m *manifest) isFor(platform string, want *v1.Platform) error {
	raw, err := m.config()
	if err != nil {
		return err
	}
	c, err := v1.ParseConfigFile(bytes.NewReader(raw))
	if err != nil {
		return fmt.Errorf("reading the image's config: %w", err)
	}
	if got := c.Platform(); got == nil || !got.Satisfies(*want) {
		return fmt.Errorf("it is an image for %s, not for %s", got, platform)
	}
	return nil
}

func (m *manifest) config() ([]byte, error) {
	d := m.image.Config
	if d.Size > maxConfig {
		return nil, fmt.Errorf("the image's config has %d bytes, which is more than belongs there", d.Size)
	}
	rc, err := m.blobs.open(m.ctx, d)
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	return io.ReadAll(io.LimitReader(rc, maxConfig+1))
}

func (m *manifest) asImage() (v1.Image, error) { return partial.CompressedToImage(core{m}) }

// core is a manifest as an image of the library.
type core struct{ m *manifest }

func (c core) RawConfigFile() ([]byte, error)      { return c.m.config() }
func (c core) RawManifest() ([]byte, error)        { return c.m.raw, nil }
func (c core) MediaType() (types.MediaType, error) { return c.m.kind, nil }
func (c core) LayerByDigest(h v1.Hash) (partial.CompressedLayer, error) {
	for _, d := range c.m.image.Layers {
		if d.Digest == h {
			return layer{c.m, d}, nil
		}
	}
	return nil, fmt.Errorf("the image has no layer %s", h)
}

type layer struct {
	m *manifest
	d v1.Descriptor
}

func (l layer) Digest() (v1.Hash, error)            { return l.d.Digest, nil }
func (l layer) Size() (int64, error)                { return l.d.Size, nil }
func (l layer) MediaType() (types.MediaType, error) { return l.d.MediaType, nil }
func (l layer) Compressed() (io.ReadCloser, error)  { return l.m.blobs.open(l.m.ctx, l.d) }

// index is a manifest as an index of the library.
type index struct{ m *manifest }

var _ v1.ImageIndex = (*index)(nil)

func (i *index) MediaType() (types.MediaType, error)       { return i.m.kind, nil }
func (i *index) Digest() (v1.Hash, error)                  { return i.m.digest, nil }
func (i *index) Size() (int64, error)                      { return int64(len(i.m.raw)), nil }
func (i *index) RawManifest() ([]byte, error)              { return i.m.raw, nil }
func (i *index) IndexManifest() (*v1.IndexManifest, error) { return i.m.index, nil }

func (i *index) Image(h v1.Hash) (v1.Image, error) {
	m, err := i.child(h)
	if err != nil {
		return nil, err
	}
	if m.image == nil {
		return nil, fmt.Errorf("%s is an index, not an image", h)
	}
	return m.asImage()
}

func (i *index) ImageIndex(h v1.Hash) (v1.ImageIndex, error) {
	m, err := i.child(h)
	if err != nil {
		return nil, err
	}
	if m.index == nil {
		return nil, fmt.Errorf("%s is an image, not an index", h)
	}
	return &index{m}, nil
}

func (i *index) child(h v1.Hash) (*manifest, error) {
	for _, d := range i.m.index.Manifests {
		if d.Digest == h {
			return i.m.read(d)
		}
	}
	return nil, fmt.Errorf("the index has no %s", h)
}
