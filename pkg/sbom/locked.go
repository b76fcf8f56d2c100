package sbom

import (
	"fmt"
	"path"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/lock"
)

// locked gives the rest of a layer to the inputs that it was made from.
func (b *builder) locked() error {
	for i, o := range b.origins {
		switch {
		case o.layer.Go != nil && len(o.inputs) == 1:
			if err := b.toolchain(i, o.inputs[0]); err != nil {
				return err
			}
		case o.layer.NPM != nil && len(o.inputs) == len(o.layer.NPM.Packages):
			for j, p := range o.layer.NPM.Packages {
				if err := b.unpacked(i, o.inputs[j], p); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// goRoot is where the Go toolchain lies in an image.
const goRoot = "usr/local/go"

// toolchain adds Go and gives it the whole layer.
func (b *builder) toolchain(layer int, in lock.Input) error {
	p := Package{
		Kind: KindGo, Name: "go", Version: in.Version,
		PURL: modulePURL(in.Name, moduleVersion(in)),
		// Scanners know the toolchain by this name (NVD, CPE dictionary).
		CPE:      "cpe:2.3:a:golang:go:" + in.Version + ":*:*:*:*:*:*:*",
		Supplier: "Organization: The Go Authors",
		Homepage: "https://go.dev",
		Input:    inputOf(in),
	}
	p.License, p.Found = fromText(string(b.licenseIn(goRoot)))
	e := b.inside(p)
	for f, n := range b.free {
		if n.layer == layer {
			b.own(f, e)
		}
	}
	return nil
}

// moduleVersion is the last element of the module's path in a proxy, without
// .zip: v0.0.1-go1.27.3.linux-amd64 (go.dev/ref/mod, "GOPROXY protocol").
func moduleVersion(in lock.Input) string {
	return strings.TrimSuffix(path.Base(in.Path), ".zip")
}

// unpacked gives an npm package what its layer took from it. Where the image
// has the package's package.json, the package is there already, and only the
// links that the definition makes to it are left.
func (b *builder) unpacked(layer int, in lock.Input, d definition.NPMPackage) error {
	var files []string
	for f, n := range b.free {
		if n.layer == layer && takes(d, f) {
			files = append(files, f)
		}
	}
	if len(files) == 0 {
		return nil
	}
	e := b.byPURL[npmPURL(in.Name, in.Version)]
	if e == nil {
		var err error
		if e, err = b.withoutManifest(in, d, files); err != nil {
			return fmt.Errorf("the licence of %s: %w", in.ID, err)
		}
	}
	for _, f := range files {
		b.own(f, e)
	}
	return nil
}

// takes says whether the definition puts f there from the package, or links it.
func takes(d definition.NPMPackage, f string) bool {
	for link := range d.Links {
		if !path.IsAbs(link) {
			link = path.Join(d.To, link)
		}
		if path.Clean(link) == "/"+f {
			return true
		}
	}
	rel, ok := strings.CutPrefix("/"+f, strings.TrimSuffix(path.Clean(d.To), "/")+"/")
	if !ok {
		return false
	}
	wanted := len(d.Include) == 0
	for _, pattern := range d.Include {
		wanted = wanted || doublestar.MatchUnvalidated(pattern, rel)
	}
	for _, pattern := range d.Exclude {
		wanted = wanted && !doublestar.MatchUnvalidated(pattern, rel)
	}
	return wanted
}

// withoutManifest adds a package of which the layer has no package.json: what
// it says is read from the input, unless a LICENSE in the image is enough.
func (b *builder) withoutManifest(in lock.Input, d definition.NPMPackage, files []string) (*entry, error) {
	p := Package{Kind: KindNPM, Name: in.Name, Version: in.Version, PURL: npmPURL(in.Name, in.Version), Input: inputOf(in)}
	if strings.HasPrefix(in.Name, "node-linux-") {
		// Its users, and the databases of its flaws, know it by this name.
		p.Name = "node"
		p.CPE = "cpe:2.3:a:nodejs:node.js:" + in.Version + ":*:*:*:*:*:*:*"
		p.Supplier = "Organization: Node.js contributors"
		p.Homepage = "https://nodejs.org"
	}
	p.License = NoAssertion
	for _, f := range files {
		if path.Dir("/"+f) == path.Clean(d.To) && isLicense(path.Base(f)) {
			p.License, p.Found = fromText(string(b.tree.nodes[f].text))
			break
		}
	}
	if p.License == NoAssertion && b.options.open != nil {
		m, err := b.npmManifest(in)
		if err != nil {
			return nil, err
		}
		p.License = b.declared(in.Name, m.License, "")
		p.Originator = person(m.Author)
		p.Homepage = m.Homepage
	}
	return b.inside(p), nil
}
