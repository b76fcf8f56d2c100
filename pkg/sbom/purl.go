package sbom

import (
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/package-url/packageurl-go"
)

// Package URLs, as purl-spec's PURL-TYPES.rst defines each type.

// purl names a Debian package. The qualifier upstream is its source package,
// by which Debian's security tracker files its advisories: scanners read it
// from there.
func (p installed) purl(d distro) string {
	upstream := p.source
	if p.sourceVersion != "" {
		upstream += "@" + p.sourceVersion
	}
	return purl(packageurl.TypeDebian, d.namespace(), p.name, p.version,
		map[string]string{"arch": p.arch, "distro": d.tag(), "upstream": upstream})
}

// npmPURL names an npm package, with its scope.
func npmPURL(name, version string) string {
	scope, rest, ok := strings.Cut(name, "/")
	if !ok {
		scope, rest = "", name
	}
	return purl(packageurl.TypeNPM, scope, rest, version, nil)
}

// modulePURL names a Go module.
func modulePURL(path, version string) string {
	namespace, name := "", path
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		namespace, name = path[:i], path[i+1:]
	}
	return purl(packageurl.TypeGolang, namespace, name, version, nil)
}

// imagePURL names an image by its digest: the name is the last element of the
// repository's, and no registry is named.
func imagePURL(repository string, digest v1.Hash, arch string) string {
	name := strings.ToLower(repository[strings.LastIndexByte(repository, '/')+1:])
	return purl(packageurl.TypeOCI, "", name, digest.String(), map[string]string{"arch": arch})
}

func purl(kind, namespace, name, version string, qualifiers map[string]string) string {
	for k, v := range qualifiers {
		if v == "" {
			delete(qualifiers, k)
		}
	}
	// The list is sorted by ToString.
	return packageurl.NewPackageURL(kind, namespace, name, version, packageurl.QualifiersFromMap(qualifiers), "").ToString()
}
