package push

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

type manifest struct {
	digest    v1.Hash
	mediaType types.MediaType
	raw       []byte
}

type blob struct {
	digest v1.Hash
	size   int64
	name   string // for people: "os", "config", or the digest's first letters
	open   func() (io.ReadCloser, error)
}

// content is all that a push may have to send.
type content struct {
	manifests []manifest // children before their index, the root last
	blobs     []blob     // each once
	seen      map[v1.Hash]bool
}

func (c *content) root() manifest { return c.manifests[len(c.manifests)-1] }

func contentOf(r Request) (*content, error) {
	c := &content{seen: map[v1.Hash]bool{}}
	switch {
	case r.Image != nil && r.Index != nil:
		return nil, errors.New("a request has either an image or an index, not both")
	case r.Image != nil:
		return c, c.image(r.Image)
	case r.Index != nil:
		return c, c.index(r.Index)
	}
	return nil, errors.New("a request needs an image or an index")
}

// described is what images and indexes have in common.
type described interface {
	Digest() (v1.Hash, error)
	MediaType() (types.MediaType, error)
	RawManifest() ([]byte, error)
}

// manifest adds m after what it refers to.
func (c *content) manifest(m described) error {
	raw, err := m.RawManifest()
	if err != nil {
		return err
	}
	mt, err := m.MediaType()
	if err != nil {
		return err
	}
	// Hashed here: what is compared after the push is what was sent.
	digest, _, err := v1.SHA256(bytes.NewReader(raw))
	if err != nil {
		return err
	}
	c.manifests = append(c.manifests, manifest{digest: digest, mediaType: mt, raw: raw})
	return nil
}

func (c *content) image(img v1.Image) error {
	layers, err := img.Layers()
	if err != nil {
		return err
	}
	for _, l := range layers {
		if err := c.layer(l); err != nil {
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
	c.blob(blob{digest: digest, size: int64(len(config)), name: "config", open: func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(config)), nil
	}})
	return c.manifest(img)
}

func (c *content) layer(l v1.Layer) error {
	mt, err := l.MediaType()
	if err != nil {
		return err
	}
	if !mt.IsDistributable() {
		return nil // it is fetched from the URLs in its descriptor
	}
	digest, err := l.Digest()
	if err != nil {
		return err
	}
	size, err := l.Size()
	if err != nil {
		return err
	}
	name := digest.Hex[:12]
	if n, ok := l.(interface{ Name() string }); ok && n.Name() != "" {
		name = n.Name()
	}
	c.blob(blob{digest: digest, size: size, name: name, open: l.Compressed})
	return nil
}

func (c *content) blob(b blob) {
	if !c.seen[b.digest] {
		c.seen[b.digest] = true
		c.blobs = append(c.blobs, b)
	}
}

func (c *content) index(idx v1.ImageIndex) error {
	m, err := idx.IndexManifest()
	if err != nil {
		return err
	}
	for _, d := range m.Manifests {
		if c.seen[d.Digest] {
			continue
		}
		c.seen[d.Digest] = true
		if err := c.child(idx, d); err != nil {
			return fmt.Errorf("child %s: %w", d.Digest, err)
		}
	}
	return c.manifest(idx)
}

func (c *content) child(idx v1.ImageIndex, d v1.Descriptor) error {
	switch {
	case d.MediaType.IsIndex():
		child, err := idx.ImageIndex(d.Digest)
		if err != nil {
			return err
		}
		return c.index(child)
	case d.MediaType.IsImage():
		child, err := idx.Image(d.Digest)
		if err != nil {
			return err
		}
		return c.image(child)
	}
	return fmt.Errorf("an index holds images and indexes, not %q", d.MediaType)
}
