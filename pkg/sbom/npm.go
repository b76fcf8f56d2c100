package sbom

import (
	"archive/tar"
	"encoding/json"
	"path"
	"strings"

	"github.com/imgbuild/imgbuild/pkg/lock"
)

// manifest is what a package.json says (docs.npmjs.com, "package.json").
type manifest struct {
	Name, Version, Homepage, Author string
	// License is the field license, or the older licenses joined by OR.
	License string
}

// parseManifest reads a package.json. It is false for one that is of no
// package: npm asks every package for a name and a version.
func parseManifest(text []byte) (manifest, bool) {
	var raw map[string]json.RawMessage
	if json.Unmarshal(text, &raw) != nil {
		return manifest{}, false
	}
	m := manifest{Name: jsonString(raw["name"]), Version: jsonString(raw["version"]), Homepage: jsonString(raw["homepage"])}
	m.Author = jsonPerson(raw["author"])
	m.License = jsonLicense(raw["license"])
	if m.License == "" {
		m.License = jsonLicense(raw["licenses"])
	}
	return m, validName(m.Name) && m.Version != "" && len(m.Version) < 256
}

// validName says whether npm could have published a package of that name
// (validate-npm-package-name): at most 214 characters, at most one slash.
func validName(name string) bool {
	rest := strings.TrimPrefix(name, "@")
	if scope, base, ok := strings.Cut(rest, "/"); ok {
		return rest != name && scope != "" && base != "" && !strings.ContainsAny(base, "/@ ") && len(name) <= 214
	}
	return name == rest && name != "" && len(name) <= 214 && !strings.ContainsAny(name, " \n\x00")
}

func jsonString(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return strings.TrimSpace(s)
}

// jsonPerson reads "Name <address> (url)" or {"name", "email"}.
func jsonPerson(raw json.RawMessage) string {
	if s := jsonString(raw); s != "" {
		s, _, _ = strings.Cut(s, "(")
		return s
	}
	var p struct{ Name, Email string }
	if json.Unmarshal(raw, &p) != nil || p.Name == "" {
		return ""
	}
	if p.Email != "" {
		return p.Name + " <" + p.Email + ">"
	}
	return p.Name
}

// jsonLicense reads "MIT", {"type": "MIT"} or a list of those, as old packages
// have it: the user may choose.
func jsonLicense(raw json.RawMessage) string {
	if s := jsonString(raw); s != "" {
		return s
	}
	var one struct{ Type string }
	if json.Unmarshal(raw, &one) == nil && one.Type != "" {
		return one.Type
	}
	var many []json.RawMessage
	if json.Unmarshal(raw, &many) != nil || len(many) > 10 {
		return ""
	}
	var all []string
	for _, m := range many {
		if s := jsonString(m); s != "" {
			all = append(all, s)
		} else if json.Unmarshal(m, &one) == nil && one.Type != "" {
			all = append(all, one.Type)
		}
	}
	return strings.Join(all, " OR ")
}

// npm adds the packages that have a package.json, wherever it is, and gives
// each file to the nearest one above it.
func (b *builder) npm() error {
	locked := map[string]lock.Input{}
	for in := range b.inputs {
		if in.Kind == lock.KindNPM {
			locked[npmPURL(in.Name, in.Version)] = in
		}
	}
	type home struct {
		*entry
		layer int
	}
	homes := map[string]home{}
	for _, p := range b.paths {
		n := b.tree.nodes[p]
		if path.Base(p) != "package.json" || n.text == nil || n.kind != tar.TypeReg || b.owners[n] != nil {
			continue
		}
		m, ok := parseManifest(n.text)
		if !ok {
			continue
		}
		e := b.npmPackage(m, b.licenseIn(path.Dir(p)))
		if in, ok := locked[e.PURL]; ok {
			e.Input = inputOf(in)
		}
		homes[path.Dir(p)] = home{e, n.layer}
	}
	for p, n := range b.free {
		for dir := path.Dir(p); ; dir = path.Dir(dir) {
			h, ok := homes[dir]
			// A manifest at the root of a file system describes an
			// application, not the system.
			if ok && (dir != "." || p == "package.json") && b.together(h.layer, n.layer) {
				b.own(p, h.entry)
				break
			}
			if dir == "." {
				break
			}
		}
	}
	for dir, inner := range homes {
		for up := path.Dir(dir); up != "."; up = path.Dir(up) {
			if outer, ok := homes[up]; ok {
				if outer.entry != inner.entry {
					outer.contains[inner.entry] = true
				}
				break
			}
		}
	}
	return nil
}

// together says whether two layers were made together: they are the same, or
// both of the image that this one stands on.
func (b *builder) together(x, y int) bool {
	return x == y || b.origins[x].base() && b.origins[y].base()
}

func (b *builder) npmPackage(m manifest, license []byte) *entry {
	p := Package{
		Kind: KindNPM, Name: m.Name, Version: m.Version,
		PURL:       npmPURL(m.Name, m.Version),
		Originator: person(m.Author),
		Homepage:   m.Homepage,
	}
	p.License = b.declared(m.Name, m.License, string(license))
	return b.inside(p)
}

// licenseIn is the text of the folder's LICENSE, nil where there is none.
func (b *builder) licenseIn(dir string) []byte {
	for _, name := range []string{"LICENSE", "LICENSE.md", "LICENSE.txt", "LICENCE", "license", "COPYING"} {
		if n := b.tree.file(path.Join(dir, name)); n != nil && n.text != nil {
			return n.text
		}
	}
	return nil
}
