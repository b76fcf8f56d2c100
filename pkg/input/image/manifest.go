package image

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// parsed is either an index or an image's manifest.
type parsed struct {
	index *v1.IndexManifest
	image *v1.Manifest
}

// parse reads what a registry serves as a manifest and refuses what cannot be
// built on.
func parse(b []byte) (parsed, error) {
	m, err := v1.ParseManifest(bytes.NewReader(b))
	if err != nil {
		return parsed{}, fmt.Errorf("reading the manifest: %w", err)
	}
	// The media type inside is what the bytes are; images without it are OCI's
	// and have a config, indexes have manifests (image-spec, manifest.md).
	switch {
	case m.SchemaVersion != 2:
		return parsed{}, errors.New("the manifest is of Docker's first schema, which has no digests of its layers")
	case m.MediaType.IsIndex() || m.MediaType == "" && m.Config.Digest == (v1.Hash{}):
		i, err := v1.ParseIndexManifest(bytes.NewReader(b))
		if err != nil {
			return parsed{}, fmt.Errorf("reading the index: %w", err)
		}
		return parsed{index: i}, nil
	case m.MediaType.IsImage() || m.MediaType == "":
		return parsed{image: m}, checkManifest(m)
	}
	return parsed{}, fmt.Errorf("it is a %q, not an image", m.MediaType)
}

func checkManifest(m *v1.Manifest) error {
	if !m.Config.MediaType.IsConfig() {
		return fmt.Errorf("it is not an image: its config is a %q", m.Config.MediaType)
	}
	if len(m.Layers) == 0 {
		return errors.New("the image has no layers")
	}
	for i, l := range slices.Concat([]v1.Descriptor{m.Config}, m.Layers) {
		if l.Digest.Algorithm != "sha256" || l.Size < 0 {
			return fmt.Errorf("the manifest's descriptor %d has no SHA-256 digest or no size", i)
		}
	}
	for _, l := range m.Layers {
		if !l.MediaType.IsDistributable() || len(l.URLs) > 0 {
			return fmt.Errorf("the layer %s is not distributable (%s): it would have to come from elsewhere, and could not be pushed on", l.Digest, l.MediaType)
		}
		if !l.MediaType.IsLayer() {
			return fmt.Errorf("the layer %s is a %q, which is no layer", l.Digest, l.MediaType)
		}
	}
	if m.Config.Size > maxManifest {
		return errors.New("the image's config is larger than 8 MiB")
	}
	return nil
}

// choose returns the index's manifest for a platform such as linux/arm64.
func choose(i *v1.IndexManifest, platform string) (v1.Descriptor, error) {
	var offered []string
	for _, d := range i.Manifests {
		if d.Platform == nil || !d.MediaType.IsImage() {
			continue
		}
		// A variant is a minimum: linux/arm64 comes as arm64 or arm64/v8.
		if p := d.Platform.OS + "/" + d.Platform.Architecture; p == platform {
			return d, nil
		}
		offered = append(offered, d.Platform.String())
	}
	return v1.Descriptor{}, fmt.Errorf("the image has no %s, only %s", platform, strings.Join(offered, ", "))
}

// parseConfig reads an image's config and compares it with the manifest.
func parseConfig(b []byte, m *v1.Manifest) (*v1.ConfigFile, error) {
	c, err := v1.ParseConfigFile(bytes.NewReader(b))
	if err != nil {
		return nil, fmt.Errorf("reading the image's config: %w", err)
	}
	if len(c.RootFS.DiffIDs) != len(m.Layers) {
		return nil, fmt.Errorf("the image's config has %d layers, its manifest %d", len(c.RootFS.DiffIDs), len(m.Layers))
	}
	return c, nil
}
