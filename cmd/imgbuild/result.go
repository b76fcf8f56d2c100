package main

import (
	"encoding/json"
	"fmt"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"

	"github.com/imgbuild/imgbuild/pkg/build"
)

// builtImage is an image that was asked for, as one platform's image or as the
// index of several.
type builtImage struct {
	wantedImage
	image     v1.Image      // set for one platform
	index     v1.ImageIndex // set for several
	images    []v1.Image    // one a platform, in both cases
	platforms []string
	digest    v1.Hash
	size      int64 // of all blobs of all platforms, compressed, in bytes
}

func newBuiltImage(w wantedImage, images []v1.Image) (builtImage, error) {
	b := builtImage{wantedImage: w, images: images}
	for _, p := range w.Platforms {
		b.platforms = append(b.platforms, p.Platform)
	}
	for _, img := range images {
		layers, err := img.Layers()
		if err != nil {
			return b, err
		}
		for _, l := range layers {
			n, err := l.Size()
			if err != nil {
				return b, err
			}
			b.size += n
		}
	}
	var root partial.Describable
	if len(images) == 1 {
		b.image, root = images[0], images[0]
	} else {
		index, err := build.Index(images, b.platforms)
		if err != nil {
			return b, err
		}
		b.index, root = index, index
	}
	var err error
	b.digest, err = root.Digest()
	return b, err
}

// result is one line of standard output.
type result struct {
	Reference string   `json:"reference"` // NAME:TAG@DIGEST
	Name      string   `json:"name"`
	Version   string   `json:"version"`
	Variant   string   `json:"variant"`
	Tags      []string `json:"tags"`
	// Kept are immutable tags that name another image there. They are not in
	// Tags.
	Kept      []string `json:"kept,omitempty"`
	Digest    string   `json:"digest"`
	Platforms []string `json:"platforms"`
	Size      int64    `json:"size"` // compressed, in bytes
}

func (b builtImage) result(reference string, kept []string) result {
	return result{
		Reference: reference,
		Name:      b.definition.Name,
		Version:   b.Version,
		Variant:   b.Variant.Name,
		Tags:      without(b.Tags, kept),
		Kept:      kept,
		Digest:    b.digest.String(),
		Platforms: b.platforms,
		Size:      b.size,
	}
}

// without returns the tags that are not among those kept.
func without(tags, kept []string) []string {
	return slices.DeleteFunc(slices.Clone(tags), func(t string) bool { return slices.Contains(kept, t) })
}

// printResults prints a reference a line, or all of it as JSON.
func (g *global) printResults(results []result) error {
	if g.json {
		return g.printJSON(results)
	}
	for _, r := range results {
		if _, err := fmt.Fprintln(g.stdout, r.Reference); err != nil {
			return err
		}
	}
	return nil
}

func (g *global) printJSON(v any) error {
	e := json.NewEncoder(g.stdout)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
