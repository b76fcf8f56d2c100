package main

import (
	"fmt"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"

	"github.com/imgbuild/imgbuild/pkg/build"
	"github.com/imgbuild/imgbuild/pkg/output"
)

// named is how an image is called where it is delivered.
type named struct {
	// host is the registry that the image's own name begins with. Where it is
	// empty the image goes to all registries that were asked for.
	host string
	name string   // the repository, without the registries' namespace: golang
	tag  string   // the one of tags to print
	tags []string // all
}

// repository is the name as it is given to what is not a registry.
func (n named) repository() string {
	if n.host != "" {
		return n.host + "/" + n.name
	}
	return n.name
}

// tagsFirst returns the tags with the one to print in front.
func (n named) tagsFirst() []string {
	tags := []string{n.tag}
	for _, t := range n.tags {
		if t != n.tag {
			tags = append(tags, t)
		}
	}
	return tags
}

// finished is an image of whatever origin, to be delivered.
type finished struct {
	named
	// Of an image with a definition.
	version, variant string

	// Exactly one of image and index is set.
	image     v1.Image
	index     v1.ImageIndex
	platforms []string
	digest    v1.Hash
	size      int64 // of all layers of all platforms, compressed, in bytes
}

// finish makes a finished image of one image a platform: that of a single one,
// and the index of several.
func finish(n named, images []v1.Image, platforms []string) (finished, error) {
	if len(images) == 1 {
		return finishAs(n, images[0], nil, platforms)
	}
	index, err := build.Index(images, platforms)
	if err != nil {
		return finished{}, err
	}
	return finishAs(n, nil, index, platforms)
}

// finishAs is finish for what is an image or an index already.
func finishAs(n named, image v1.Image, index v1.ImageIndex, platforms []string) (finished, error) {
	f := finished{named: n, image: image, index: index, platforms: platforms}
	images := []v1.Image{image}
	var root partial.Describable = image
	if index != nil {
		root = index
		m, err := index.IndexManifest()
		if err != nil {
			return f, err
		}
		images = nil
		for _, d := range m.Manifests {
			child, err := index.Image(d.Digest)
			if err != nil {
				return f, fmt.Errorf("reading %s: %w", d.Digest, err)
			}
			images = append(images, child)
		}
	}
	for _, img := range images {
		layers, err := img.Layers()
		if err != nil {
			return f, err
		}
		for _, l := range layers {
			n, err := l.Size()
			if err != nil {
				return f, err
			}
			f.size += n
		}
	}
	var err error
	f.digest, err = root.Digest()
	return f, err
}

// output is the image as package output writes it.
func (f finished) output() output.Image {
	return output.Image{Name: f.repository(), Tags: f.tagsFirst(), Image: f.image, Index: f.index}
}

// result is one line of standard output.
type result struct {
	Reference string `json:"reference"` // NAME:TAG@DIGEST
	Name      string `json:"name"`
	// Version and Variant are those of a definition's image.
	Version string   `json:"version,omitempty"`
	Variant string   `json:"variant,omitempty"`
	Tags    []string `json:"tags"`
	// Kept are immutable tags that name another image there. They are not in
	// Tags.
	Kept      []string `json:"kept,omitempty"`
	Digest    string   `json:"digest"`
	Platforms []string `json:"platforms"`
	Size      int64    `json:"size"` // compressed, in bytes
}

func (f finished) result(reference string, kept []string) result {
	return result{
		Reference: reference,
		Name:      f.repository(),
		Version:   f.version,
		Variant:   f.variant,
		Tags:      without(f.tags, kept),
		Kept:      kept,
		Digest:    f.digest.String(),
		Platforms: f.platforms,
		Size:      f.size,
	}
}

// without returns the tags that are not among those kept.
func without(tags, kept []string) []string {
	return slices.DeleteFunc(slices.Clone(tags), func(t string) bool { return slices.Contains(kept, t) })
}
