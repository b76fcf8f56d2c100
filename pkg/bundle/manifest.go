package bundle

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// InputType is the media type of an input's blob, which is the input as it is.
const InputType types.MediaType = "application/vnd.imgbuild.input.v1"

// Annotations of a bundle's manifest.
const (
	annotationBundle     = "io.github.imgbuild.bundle"     // Version
	annotationDefinition = "io.github.imgbuild.definition" // the definition's name
	annotationLock       = "io.github.imgbuild.lock"       // the lock's sum
	annotationPlatforms  = "io.github.imgbuild.platforms"  // linux/amd64,linux/arm64
)

// Annotations of an input's descriptor.
const (
	annotationInput = "io.github.imgbuild.input" // its id in a lock
	annotationRole  = "io.github.imgbuild.role"  // toolchain: it compiles the shim
)

const roleToolchain = "toolchain"

// Version is that of the form that this imgbuild reads and writes.
const Version = "1"

// Limits of what is read.
const (
	maxInput  = 4 << 30  // bytes of one input, as in a lock
	maxFolder = 64 << 20 // bytes of the folder, compressed
	maxInputs = 20_000
)

// contents is what a bundle's manifest lists.
type contents struct {
	definition string
	lock       string
	platforms  []string
	folder     v1.Descriptor
	inputs     map[v1.Hash]v1.Descriptor
}

// parse reads a bundle's manifest.
func parse(raw []byte) (*contents, error) {
	m, err := v1.ParseManifest(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("reading the manifest: %w", err)
	}
	switch v := m.Annotations[annotationBundle]; {
	case v == "":
		return nil, errors.New("it is an image and no bundle; `imgbuild bundle` makes bundles")
	case v != Version:
		return nil, fmt.Errorf("it is a bundle of version %q, and this imgbuild reads %s; use a newer imgbuild", v, Version)
	case len(m.Layers) == 0 || len(m.Layers) > maxInputs:
		return nil, fmt.Errorf("it has %d layers", len(m.Layers))
	}
	c := &contents{
		definition: m.Annotations[annotationDefinition],
		lock:       m.Annotations[annotationLock],
		platforms:  strings.Split(m.Annotations[annotationPlatforms], ","),
		folder:     m.Layers[0],
		inputs:     make(map[v1.Hash]v1.Descriptor, len(m.Layers)-1),
	}
	if c.folder.MediaType != types.OCILayer || c.folder.Size < 0 || c.folder.Size > maxFolder || c.folder.Digest.Algorithm != "sha256" {
		return nil, fmt.Errorf("its first layer is a %q of %d bytes, and not a definition's folder", c.folder.MediaType, c.folder.Size)
	}
	for i, d := range m.Layers[1:] {
		_, twice := c.inputs[d.Digest]
		switch {
		case d.MediaType != InputType:
			return nil, fmt.Errorf("its layer %d is a %q, not an input", i+1, d.MediaType)
		case d.Digest.Algorithm != "sha256" || d.Size <= 0 || d.Size > maxInput || len(d.URLs) > 0:
			return nil, fmt.Errorf("its layer %d has no SHA-256 digest, or states %d bytes, or is elsewhere", i+1, d.Size)
		case twice:
			return nil, fmt.Errorf("its layer %d is there twice", i+1)
		}
		c.inputs[d.Digest] = d
	}
	return c, nil
}
