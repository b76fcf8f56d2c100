package sbom

import (
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	specs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/imgbuild/imgbuild/pkg/definition"
)

const (
	// module is imgbuild's own, which the shim is compiled from.
	module = "github.com/imgbuild/imgbuild"
	// ownLicense is that of imgbuild: LICENSE at the root of its source. It is
	// that of the shim, of the adapters, and of what imgbuild writes itself.
	ownLicense  = "Apache-2.0"
	ownSupplier = "Organization: imgbuild"
)

// root adds the image itself.
func (b *builder) root(d *definition.Definition, labels map[string]string) {
	_, arch, _ := strings.Cut(b.doc.Platform, "/")
	b.add(Package{
		Kind:     KindImage,
		Name:     b.doc.Name,
		Version:  b.doc.Version,
		PURL:     imagePURL(b.doc.Name, b.doc.Digest, arch),
		License:  b.rootLicense(d, labels),
		Supplier: ownSupplier,
		Homepage: labels[specs.AnnotationURL],
	})
}

// rootLicense is that of the image's own files. A definition of the user's own
// says it with the label org.opencontainers.image.licenses (image-spec,
// annotations.md); without files of its own there is only what imgbuild wrote.
func (b *builder) rootLicense(d *definition.Definition, labels map[string]string) string {
	if says := labels[specs.AnnotationLicenses]; says != "" {
		return b.declared(d.Name, says, "")
	}
	files := false
	for _, o := range b.origins {
		files = files || len(o.layer.Files) > 0 || o.layer.Run != nil
	}
	if !files || embedded(d) {
		return ownLicense
	}
	return NoAssertion
}

// embedded says whether the definition is one of those in imgbuild.
func embedded(d *definition.Definition) bool {
	own, err := definition.Load(d.Name)
	return err == nil && own.Dir == "" && own.Digest() == d.Digest()
}

// shim adds imgbuild's shim, which owns its layer.
func (b *builder) shim() error {
	for p, n := range b.free {
		if b.origin(n).layer.Shim == nil {
			continue
		}
		b.own(p, b.inside(Package{
			Kind:     KindModule,
			Name:     module,
			PURL:     modulePURL(module, ""),
			License:  ownLicense,
			Supplier: ownSupplier,
		}))
	}
	return nil
}

// inside adds a package that the image has.
func (b *builder) inside(p Package) *entry {
	e := b.add(p)
	if e != b.packages[0] {
		b.packages[0].contains[e] = true
	}
	return e
}

// base gives to the image that this one stands on what nobody else owns of it.
func (b *builder) base() error {
	for p, n := range b.free {
		o := b.origin(n)
		if !o.base() {
			continue
		}
		ref, err := name.NewDigest(o.layer.Image.Ref)
		if err != nil {
			return err
		}
		digest, err := v1.NewHash(ref.DigestStr())
		if err != nil {
			return err
		}
		repository := ref.Context().RepositoryStr()
		b.own(p, b.inside(Package{
			Kind:    KindImage,
			Name:    repository[strings.LastIndexByte(repository, '/')+1:],
			Version: digest.String(),
			PURL:    imagePURL(repository, digest, ""),
		}))
	}
	return nil
}
