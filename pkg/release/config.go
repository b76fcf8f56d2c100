package release

import (
	"path/filepath"
	"strings"

	"github.com/imgbuild/imgbuild/pkg/address"
)

// FileName is what a release's configuration is called by custom.
const FileName = "release.yaml"

// Config is a release.yaml: which images go where, and what goes with them.
// Paths are relative to the folder of the file. Environment variables are not
// expanded.
type Config struct {
	// Name is the release's own, for people: base-images.
	Name string `json:"name"`
	// Images are what is released.
	Images []Images `json:"images"`
	// Destinations are where it goes: all registries get the same images.
	Destinations Destinations `json:"destinations"`
	// Immutable says which tags never move to another image once they are
	// there: versions (the default; tags of full versions, such as 1.27.3),
	// all or none.
	Immutable string `json:"immutable,omitempty"`
	// Sign has the key for signatures and signed statements. Without it
	// images get neither.
	Sign *Sign `json:"sign,omitempty"`
	// SBOM is the format of the bill of materials that goes with each image:
	// spdx (the default), cyclonedx or both.
	SBOM string `json:"sbom,omitempty"`
	// Prove says which images are booted and tried before anything is pushed:
	// true, the default, is those of all platforms that this machine can run;
	// a list is of platforms that must be proven; false is none.
	Prove Prove `json:"prove,omitempty"`
	// Bundle publishes the inputs of each definition beside its images, so
	// that they can be built when the archives have moved on.
	Bundle bool `json:"bundle,omitempty"`
	// Catalogue is the folder of the page for people who choose an image.
	// Without it there is none.
	Catalogue string `json:"catalogue,omitempty"`
	// Report is the file that says what was released; release.json unless set.
	Report string `json:"report,omitempty"`
}

// Images are images of one definition.
type Images struct {
	// Definition is the name of an image inside imgbuild, such as golang, or
	// the path of an image.yaml or of its folder, beginning with ./ or ../ or /.
	Definition string `json:"definition"`
	// Versions are versions or series, such as "1.27". The newest unless set.
	Versions []string `json:"versions,omitempty"`
	// All takes every version.
	All bool `json:"all,omitempty"`
	// Variants are names of variants, such as slim; all unless set.
	Variants []string `json:"variants,omitempty"`
	// Platforms are those of each image; several make one index. linux/amd64
	// unless set.
	Platforms []string `json:"platforms,omitempty"`
}

// Destinations are registries.
type Destinations struct {
	// Registries are HOST[:PORT][/NAMESPACE]; "embedded" is the built-in one.
	Registries []string `json:"registries,omitempty"`
	// Regions are regions of Alibaba Cloud, such as cn-hangzhou: their
	// Container Registry.
	Regions []string `json:"regions,omitempty"`
	// Namespace is that of the images in the regions' Container Registry.
	Namespace string `json:"namespace,omitempty"`
	// Instances are of Container Registry, as crpi-… or the name of an
	// enterprise instance: one for each region in the same order, or one for
	// all. None means the personal edition's old hosts.
	Instances []string `json:"instances,omitempty"`
}

// Sign says how the release is signed.
type Sign struct {
	// Key is a private ECDSA key: a PEM file, env:NAME for an environment
	// variable that holds one, or command:CMD ARGS for a program that signs.
	Key string `json:"key"`
}

// Prove says which images are booted.
type Prove struct {
	// Wanted is nil where nothing is written.
	Wanted *bool `json:"wanted,omitempty"`
	// Platforms must be proven.
	Platforms []string `json:"platforms,omitempty"`
}

// Form implements strictyaml.Choice.
func (p *Prove) Form(list bool) any {
	if list {
		return &p.Platforms
	}
	return &p.Wanted
}

// Off says that no image is to be booted.
func (p Prove) Off() bool { return p.Wanted != nil && !*p.Wanted }

const (
	defaultReport   = "release.json"
	defaultPlatform = "linux/amd64"
)

// in is where a path of the file lies that is in folder.
func in(folder, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(folder, path)
}

// KeySpec is the key to sign with as package sign loads it, "" for none. folder
// is that of the file.
func (c *Config) KeySpec(folder string) string {
	switch {
	case c.Sign == nil:
		return ""
	case strings.HasPrefix(c.Sign.Key, "env:"), strings.HasPrefix(c.Sign.Key, "command:"):
		return c.Sign.Key
	}
	return in(folder, c.Sign.Key)
}

// isPath says that a definition is named by its path.
func isPath(ref string) bool {
	return strings.HasPrefix(ref, "./") || strings.HasPrefix(ref, "../") || strings.HasPrefix(ref, "/") || ref == "." || ref == ".."
}

// Parse returns the registries, those of regions last.
func (d Destinations) Parse() ([]address.Registry, error) {
	var all []address.Registry
	for _, s := range d.Registries {
		r, err := address.Parse(s)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	if len(d.Regions) == 0 {
		return all, nil
	}
	rs, err := address.Regional{Regions: d.Regions, Namespace: d.Namespace, Instances: d.Instances}.Registries()
	return append(all, rs...), err
}
