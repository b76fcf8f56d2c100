package definition

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/imgbuild/imgbuild/pkg/definition/internal/grammar"
	"github.com/imgbuild/imgbuild/pkg/strictyaml"
)

// kinds are the keys of a layer that say what it is made from.
var kinds = []string{"debian", "go", "npm", "image", "files", "run", "shim"}

// layer checks the layer at v.Layers[i], which is written at path.
func (c checker) layer(path string, v *Variant, i int) {
	l := v.Layers[i]
	c.Match(path+"/name", l.Name, grammar.Word)
	var has []string
	for _, k := range kinds {
		if c.Written(path + "/" + k) {
			has = append(has, k)
		}
	}
	switch {
	case c.Bad(path):
		return
	case len(has) == 0:
		c.Add(path, "the layer has no kind", "add one of "+strings.Join(kinds, ", "))
	case len(has) > 1:
		c.Add(path+"/"+has[1], "the layer is "+strings.Join(has, " and "), "make a layer of each")
	}
	if l.Debian != nil {
		c.debian(path+"/debian", l.Debian)
		for j, other := range v.Layers[:i] {
			if other.Debian != nil && other.Debian.Suite != l.Debian.Suite && other.Debian.Suite != "" {
				c.Add(path+"/debian/suite", fmt.Sprintf("the suite is %s, but %s in layer %d", l.Debian.Suite, other.Debian.Suite, j+1), "use one suite in all layers of a variant")
				break
			}
		}
	}
	if l.Go != nil {
		if !c.d.Versions.Go && !c.Bad("/versions/go") {
			c.Add(path+"/go", "a Go toolchain, but the versions are not Go's", "set versions.go: true")
		}
		c.globs(path+"/go/exclude", l.Go.Exclude)
	}
	if l.NPM != nil {
		c.npm(path+"/npm", l.NPM)
	}
	if l.Image != nil {
		c.image(path+"/image", l.Image)
		if i > 0 {
			c.Add(path+"/image", "an existing image on top of other layers", "put it first; its own layers begin at the root")
		}
	}
	if c.Has(path + "/files") {
		c.fileList(path+"/files", l.Files)
	}
	if l.Run != nil {
		c.run(path+"/run", l.Run)
		if i == 0 {
			c.Add(path+"/run", "a command with nothing below it to run in", "put a layer first that has a shell")
		}
	}
	if l.Shim != nil && i != len(v.Layers)-1 {
		c.Add(path+"/shim", "the shim is not the last layer", "put it last; it changes most often")
	}
}

func (c checker) debian(path string, l *DebianLayer) {
	c.Match(path+"/suite", l.Suite, grammar.Suite)
	if !l.Essential {
		c.Some(path+"/packages", len(l.Packages), many)
	}
	for i, p := range l.Packages {
		c.Match(strictyaml.At(path+"/packages", i), p, grammar.DebianPackage)
		c.placeholders(strictyaml.At(path+"/packages", i), p, Placeholders())
	}
	c.Unique(path+"/packages", l.Packages)
	for i, a := range l.Accept {
		at := strictyaml.At(path+"/accept", i)
		c.Match(at+"/package", a.Package, grammar.DebianPackage)
		c.Match(at+"/script", a.Script, grammar.Script)
		c.Match(at+"/sha256", a.SHA256, grammar.SHA256)
		c.Match(at+"/reason", a.Reason, grammar.Text)
	}
}

func (c checker) npm(path string, l *NPMLayer) {
	if !c.Some(path+"/packages", len(l.Packages), few) {
		return
	}
	names := names(l.Packages, func(p NPMPackage) string { return p.Package })
	for i, p := range l.Packages {
		at := strictyaml.At(path+"/packages", i)
		c.Match(at+"/package", p.Package, grammar.NPMPackage)
		c.placeholders(at+"/package", p.Package, Placeholders())
		if c.Match(at+"/version", p.Version, grammar.NPMVersion) {
			c.sameVersion(at+"/version", p, names)
		}
		c.path(at+"/to", p.To)
		c.globs(at+"/include", p.Include)
		c.globs(at+"/exclude", p.Exclude)
		for _, link := range slices.Sorted(maps.Keys(p.Links)) {
			c.linkPath(at+"/links", link, p.Links[link])
		}
	}
}

// sameVersion checks that "=NAME" names another package of the layer that has
// a version of its own.
func (c checker) sameVersion(path string, p NPMPackage, names []string) {
	other, ok := strings.CutPrefix(p.Version, "=")
	switch {
	case !ok:
	case other == p.Package:
		c.Add(path, "the package takes its version from itself", "name another package of the layer")
	case !slices.Contains(names, other):
		c.Add(path, "no package "+strictyaml.Quote(other)+" in this layer to take the version from", strictyaml.Suggest(other, names, "it has %s", ", "))
	}
}

// linkPath checks one entry of links.
func (c checker) linkPath(links, link, target string) {
	path := links + "/" + link
	if !c.Has(path) {
		return
	}
	if !grammar.Path.Match(link) || !isClean(link) {
		c.Add(path, "the link's path is "+strictyaml.Quote(link), "use "+grammar.Path.Says)
	}
	c.Match(path, target, grammar.Text)
	c.placeholders(path, link, Placeholders())
	c.placeholders(path, target, Placeholders())
}

func (c checker) image(path string, l *ImageLayer) {
	if !c.Has(path + "/ref") {
		return
	}
	if what := checkRef(l.Ref); what != "" {
		c.Add(path+"/ref", what, "use a whole reference by digest, such as registry.example.com/team/base@sha256:…")
	}
}

// checkRef says what is wrong with a reference that must name its registry
// and be by digest, so that no setting of a machine decides what is pulled.
func checkRef(ref string) string {
	repo, _, ok := strings.Cut(ref, "@")
	if !ok {
		return strictyaml.Quote(ref) + " has no digest"
	}
	host, _, ok := strings.Cut(repo, "/")
	if !ok || !strings.ContainsAny(host, ".:") && host != "localhost" {
		return strictyaml.Quote(ref) + " does not name its registry"
	}
	if d, err := name.NewDigest(ref); err != nil || !strings.HasPrefix(d.DigestStr(), "sha256:") {
		return strictyaml.Quote(ref) + " is not a reference by a SHA-256 digest"
	}
	return ""
}

// path checks an absolute path.
func (c checker) path(path, value string) bool {
	if !c.Match(path, value, grammar.Path) {
		return false
	}
	c.placeholders(path, value, Placeholders())
	if !isClean(value) {
		c.Add(path, c.Last(path)+" is "+strictyaml.Quote(value), "use "+grammar.Path.Says)
		return false
	}
	return true
}

func isClean(p string) bool { return path.Clean(p) == p }

// globs checks patterns over relative paths.
func (c checker) globs(list string, patterns []string) {
	for i, pattern := range patterns {
		at := strictyaml.At(list, i)
		if !c.Has(at) {
			continue
		}
		c.placeholders(at, pattern, Placeholders())
		_, err := path.Match(strings.ReplaceAll(pattern, "**", "*"), "x")
		switch {
		case err != nil:
			c.Add(at, "the pattern "+strictyaml.Quote(pattern)+" can not be read", "close its brackets; * ? [a-z] and ** are known")
		case pattern == "" || pattern[0] == '/' || !isClean(pattern) || strings.HasPrefix(pattern, ".."):
			c.Add(at, "the pattern "+strictyaml.Quote(pattern)+" matches nothing", "use a path relative to the package's folder, without . and ..")
		}
	}
	c.Unique(list, patterns)
}
