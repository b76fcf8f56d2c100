package provenance

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild"
	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/layer"
	"github.com/imgbuild/imgbuild/pkg/lock"
)

// BuildType says how the parameters of a build are to be read: as docs/verify.md
// has them under that heading.
const BuildType = "https://github.com/imgbuild/imgbuild/blob/main/docs/verify.md#build-type-1"

// Builder is who has built: imgbuild, wherever it ran.
const Builder = "https://" + imgbuild.Module

// SourceName is the name of the dependency that is the definition with its lock.
const SourceName = "source"

// Request says what provenance is asked for.
type Request struct {
	Definition *definition.Definition
	Lock       *lock.Lock
	// Images are the locked images that it is about: one for a manifest, those
	// of all platforms for an index. They are of one version and variant.
	Images      []lock.Image
	Compression layer.Compression
	// Version is imgbuild's own.
	Version string
	// Golang is the lock of the golang image inside imgbuild, whose newest Go
	// compiles the shim. It is not needed where the images have no shim.
	Golang *lock.Lock
	// Source is the digest of the layer that attach.SourceImage has made of
	// the definition and its lock.
	Source v1.Hash
}

// Predicate is SLSA provenance, version 1 (slsa.dev/spec/v1.0/provenance), as
// far as imgbuild writes it.
type Predicate struct {
	BuildDefinition BuildDefinition `json:"buildDefinition"`
	RunDetails      RunDetails      `json:"runDetails"`
}

// BuildDefinition is what was built, and of what.
type BuildDefinition struct {
	BuildType            string             `json:"buildType"`
	ExternalParameters   ExternalParameters `json:"externalParameters"`
	InternalParameters   InternalParameters `json:"internalParameters"`
	ResolvedDependencies []descriptor       `json:"resolvedDependencies"`
}

// ExternalParameters are what somebody asked for.
type ExternalParameters struct {
	Definition       string   `json:"definition"`       // its name: golang
	DefinitionDigest string   `json:"definitionDigest"` // of what it says, definition.Digest
	Version          string   `json:"version"`
	Variant          string   `json:"variant"`
	Platforms        []string `json:"platforms"`
}

// InternalParameters are what imgbuild brings along.
type InternalParameters struct {
	Imgbuild    string `json:"imgbuild"` // its version
	Compression string `json:"compression"`
	Shim        *Shim  `json:"shim,omitempty"`
}

// Shim is what the shim was compiled from.
type Shim struct {
	Source string `json:"source"` // sha256:… of its source, imgbuild.ShimSourceHash
	Go     string `json:"go"`     // version of the toolchain
}

// RunDetails say who built.
type RunDetails struct {
	Builder struct {
		ID      string            `json:"id"`
		Version map[string]string `json:"version,omitempty"`
	} `json:"builder"`
}

// Of is the SLSA v1 provenance of a build, as JSON.
func Of(r Request) (json.RawMessage, error) {
	if len(r.Images) == 0 {
		return nil, errors.New("provenance is of at least one image")
	}
	first := r.Images[0]
	p := Predicate{BuildDefinition: BuildDefinition{
		BuildType: BuildType,
		ExternalParameters: ExternalParameters{
			Definition: r.Definition.Name, DefinitionDigest: r.Definition.Digest(),
			Version: first.Version, Variant: first.Variant,
		},
		InternalParameters: InternalParameters{Imgbuild: r.Version, Compression: string(r.Compression)},
	}}
	if r.Compression == "" {
		p.BuildDefinition.InternalParameters.Compression = string(layer.Gzip)
	}
	p.RunDetails.Builder.ID = Builder
	p.RunDetails.Builder.Version = map[string]string{"imgbuild": r.Version}
	all := dependencies{SourceName: {Name: SourceName, Digest: digestSet(r.Source), MediaType: string(layer.Gzip.MediaType())}}
	for _, img := range r.Images {
		if img.Version != first.Version || img.Variant != first.Variant {
			return nil, fmt.Errorf("the images are of different versions: %s %s and %s %s", first.Version, first.Variant, img.Version, img.Variant)
		}
		p.BuildDefinition.ExternalParameters.Platforms = append(p.BuildDefinition.ExternalParameters.Platforms, img.Platform)
		if err := all.addImage(r, img); err != nil {
			return nil, err
		}
	}
	if hasShim(r.Definition, first.Variant) {
		shim, err := all.addShim(r.Golang)
		if err != nil {
			return nil, err
		}
		p.BuildDefinition.InternalParameters.Shim = shim
	}
	p.BuildDefinition.ResolvedDependencies = all.sorted()
	return encode(p)
}

// hasShim says whether images of a variant carry the shim.
func hasShim(d *definition.Definition, variant string) bool {
	v := d.Variant(variant)
	return v != nil && slices.ContainsFunc(v.Layers, func(l definition.Layer) bool { return l.Shim != nil })
}

// toolchainsOf are those that compile the shim, and their version.
func toolchainsOf(golang *lock.Lock) (toolchains []lock.Input, version string, err error) {
	if golang == nil {
		return nil, "", errors.New("the lock of golang, whose Go compiles the shim, is missing")
	}
	if toolchains = golang.Toolchains(); len(toolchains) == 0 {
		return nil, "", errors.New("the lock of golang has no Go")
	}
	return toolchains, toolchains[0].Version, nil
}

// ShimOf is the shim that this imgbuild carries.
func ShimOf(golang *lock.Lock) (*Shim, error) {
	_, version, err := toolchainsOf(golang)
	if err != nil {
		return nil, err
	}
	return &Shim{Source: "sha256:" + imgbuild.ShimSourceHash(), Go: version}, nil
}

// ParsePredicate reads provenance of images that imgbuild has built. That of
// other builders is an error.
func ParsePredicate(data json.RawMessage) (*Predicate, error) {
	var head struct {
		BuildDefinition struct {
			BuildType string `json:"buildType"`
		} `json:"buildDefinition"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, fmt.Errorf("reading the provenance: %w", err)
	}
	if t := head.BuildDefinition.BuildType; t != BuildType {
		return nil, fmt.Errorf("the provenance is of a build of the type %.200q, not of imgbuild's %s", t, BuildType)
	}
	p := new(Predicate)
	if err := json.Unmarshal(data, p); err != nil {
		return nil, fmt.Errorf("reading the provenance: %w", err)
	}
	ext := p.BuildDefinition.ExternalParameters
	if ext.Definition == "" || ext.Version == "" || ext.Variant == "" || len(ext.Platforms) == 0 || !strings.HasPrefix(ext.DefinitionDigest, "sha256:") {
		return nil, errors.New("the provenance does not say what was built")
	}
	return p, nil
}

// Source is the digest of the layer with the definition and its lock.
func (p *Predicate) Source() (v1.Hash, bool) {
	for _, d := range p.BuildDefinition.ResolvedDependencies {
		if d.Name == SourceName && d.URI == "" {
			return d.sha256()
		}
	}
	return v1.Hash{}, false
}
