// Package content lists what images are made of, manifests and blobs, for
// whoever carries them elsewhere: to a registry, into a file.
package content

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Manifest is an image's manifest or an index.
type Manifest struct {
	Digest    v1.Hash
	MediaType types.MediaType
	Raw       []byte
}

// Blob is a layer or a config.
type Blob struct {
	Digest v1.Hash
	Size   int64  // bytes
	Name   string // for people: "os", "config", or the digest's first letters
	Open   func() (io.ReadCloser, error)
}

// Content is all that an image or an index consists of.
type Content struct {
	Manifests []Manifest // children before their index, the root last
	Blobs     []Blob     // each once
	seen      map[v1.Hash]bool
}

// Root is the manifest that refers to all else.
func (c *Content) Root() Manifest { return c.Manifests[len(c.Manifests)-1] }

// Of lists the content of an image or of an index, whichever is not nil. Layers
// that may not be distributed are left out.
func Of(image v1.Image, index v1.ImageIndex) (*Content, error) {
	c := &Content{seen: map[v1.Hash]bool{}}
	switch {
	case image != nil && index != nil:
		return nil, errors.New("a request has either an image or an index, not both")
	case image != nil:
		return c, c.image(image)
	case index != nil:
		return c, c.index(index)
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
func (c *Content) manifest(m described) error {
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
	c.Manifests = append(c.Manifests, Manifest{Digest: digest, MediaType: mt, Raw: raw})
	return nil
}

func (c *Content) image(img v1.Image) error {
	layers, err := img.Layers()
	if err != nil {
		return err
	}
	for _, l := range layers {
		if err := c.layer(l); err != nil {
			return err
		}
	}
	// The manifest says all of the config that is needed before it is sent, so
	// that one which is elsewhere is fetched only then.
	m, err := img.Manifest()
	if err != nil {
		return err
	}
	c.blob(Blob{Digest: m.Config.Digest, Size: m.Config.Size, Name: "config", Open: func() (io.ReadCloser, error) {
		config, err := img.RawConfigFile()
		return io.NopCloser(bytes.NewReader(config)), err
	}})
	return c.manifest(img)
}

func (c *Content) layer(l v1.Layer) error {
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
	c.blob(Blob{Digest: digest, Size: size, Name: name, Open: l.Compressed})
	return nil
}

func (c *Content) blob(b Blob) {
	if !c.seen[b.Digest] {
		c.seen[b.Digest] = true
		c.Blobs = append(c.Blobs, b)
	}
}

func (c *Content) index(idx v1.ImageIndex) error {
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

func (c *Content) child(idx v1.ImageIndex, d v1.Descriptor) error {
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
