package provenance

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	packageurl "github.com/package-url/packageurl-go"

	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/lock"
)

// ShimName is the name of the dependency that is the shim's source.
const ShimName = "shim"

// dependencies are everything that went into a build, each once, by a key.
type dependencies map[string]descriptor

// addImage adds the inputs of one image.
func (d dependencies) addImage(r Request, img lock.Image) error {
	variant := r.Definition.Variant(img.Variant)
	if variant == nil || len(variant.Layers) != len(img.Layers) {
		return fmt.Errorf("the lock's image %s %s does not go with the definition of %s", img.Version, img.Variant, r.Definition.Name)
	}
	for i, l := range img.Layers {
		inputs, err := r.Lock.FindAll(l.Inputs)
		if err != nil {
			return err
		}
		for _, in := range inputs {
			d[in.ID] = input(in, variant.Layers[i])
		}
	}
	return nil
}

// addShim adds what the shim is compiled from: its source, and the toolchain
// for each machine that may compile it. All of them compile the same bytes, so
// that nothing here depends on where the release ran.
func (d dependencies) addShim(golang *lock.Lock) (*Shim, error) {
	shim, err := ShimOf(golang)
	if err != nil {
		return nil, err
	}
	toolchains, _, err := toolchainsOf(golang)
	if err != nil {
		return nil, err
	}
	source, err := v1.NewHash(shim.Source)
	if err != nil {
		return nil, err
	}
	d[ShimName] = descriptor{Name: ShimName, Digest: digestSet(source)}
	for _, in := range toolchains {
		d[in.ID] = input(in, definition.Layer{})
	}
	return shim, nil
}

// sorted has the source first, the shim next, and then the inputs by ID.
func (d dependencies) sorted() (out []descriptor) {
	keys := slices.Collect(maps.Keys(d))
	slices.SortFunc(keys, func(a, b string) int { return strings.Compare(rank(a)+a, rank(b)+b) })
	for _, k := range keys {
		out = append(out, d[k])
	}
	return out
}

func rank(key string) string {
	switch key {
	case SourceName:
		return "0"
	case ShimName:
		return "1"
	}
	return "2"
}

// input is one locked file. Its name is its path on any mirror: a host is
// never in it.
func input(in lock.Input, of definition.Layer) descriptor {
	name := in.Path
	if in.Kind == lock.KindImage {
		_, name, _ = strings.Cut(name, "/")
	}
	return descriptor{Name: name, URI: purl(in, of), Digest: map[string]string{"sha256": in.SHA256}}
}

// purl is the package URL of an input (github.com/package-url/purl-spec).
func purl(in lock.Input, of definition.Layer) string {
	_, arch, _ := strings.Cut(in.ID[strings.LastIndex(in.ID, "@")+1:], "/")
	var p *packageurl.PackageURL
	switch in.Kind {
	case lock.KindDebian:
		q := map[string]string{"arch": arch}
		if of.Debian != nil {
			q["distro"] = of.Debian.Suite
		}
		p = packageurl.NewPackageURL(packageurl.TypeDebian, "debian", in.Name, in.Version, packageurl.QualifiersFromMap(q), "")
	case lock.KindGo:
		// The version of the module is that of its file: v0.0.1-go1.27.3.linux-amd64.
		version := strings.TrimSuffix(path.Base(in.Path), ".zip")
		p = packageurl.NewPackageURL(packageurl.TypeGolang, path.Dir(in.Name), path.Base(in.Name), version, nil, "")
	case lock.KindNPM:
		scope, name := path.Split(in.Name)
		p = packageurl.NewPackageURL(packageurl.TypeNPM, strings.TrimSuffix(scope, "/"), name, in.Version, nil, "")
	default:
		p = packageurl.NewPackageURL(packageurl.TypeOCI, "", path.Base(in.Name), "sha256:"+in.SHA256, nil, "")
	}
	return p.String()
}
