package sbom

import (
	"regexp"
	"strings"
	"sync"

	"github.com/package-url/packageurl-go"
)

// Gems that Ruby has installed are told by specifications/NAME-VERSION.gemspec,
// Ruby that RubyGems itself has written (rubygems/specification.rb, to_ruby):
// one assignment a line, of plain strings.
// Compiled when first asked for: no other command pays for them at its start.
var gemFields = sync.OnceValue(func() (f struct{ name, version, homepage, licenses *regexp.Regexp }) {
	f.name = regexp.MustCompile(`(?m)^\s*\w+\.name\s*=\s*["']([A-Za-z0-9._-]{1,200})["'](?:\.freeze)?\s*$`)
	f.version = regexp.MustCompile(`(?m)^\s*\w+\.version\s*=\s*["']([A-Za-z0-9._-]{1,200})["'](?:\.freeze)?\s*$`)
	f.homepage = regexp.MustCompile(`(?m)^\s*\w+\.homepage\s*=\s*["']([^"'#]{1,500})["'](?:\.freeze)?\s*$`)
	f.licenses = regexp.MustCompile(`(?m)^\s*\w+\.licenses\s*=\s*\[(.{0,1000})\]\s*$`)
	return f
})

// gem is what a gemspec says.
type gem struct {
	name, version, homepage string
	licenses                []string
}

// parseGem reads a gemspec. It is false for one without a name and a version
// in plain words.
func parseGem(text []byte) (gem, bool) {
	one := func(r *regexp.Regexp) string {
		if m := r.FindSubmatch(text); m != nil {
			return string(m[1])
		}
		return ""
	}
	f := gemFields()
	g := gem{name: one(f.name), version: one(f.version), homepage: one(f.homepage)}
	for item := range strings.SplitSeq(one(f.licenses), ",") {
		item = strings.TrimSuffix(strings.TrimSpace(item), ".freeze")
		if item = strings.Trim(item, `"'`); item != "" {
			g.licenses = append(g.licenses, item)
		}
	}
	return g, g.name != "" && g.version != ""
}

// isGem says whether the path is that of an installed gem's gemspec.
func isGem(p string) bool {
	return strings.HasSuffix(p, ".gemspec") && strings.Contains(p, "/specifications/")
}

// gems adds installed gems. They are inside the package that ships their
// gemspec: Ruby's own gems come with Debian's libruby.
func (b *builder) gems() error {
	for _, p := range b.paths {
		n := b.tree.nodes[p]
		if !isGem(p) || n.text == nil {
			continue
		}
		g, ok := parseGem(n.text)
		if !ok {
			continue
		}
		owner := b.owners[n]
		if owner == nil {
			owner = b.packages[0]
		}
		out := Package{
			Kind: KindGem, Name: g.name, Version: g.version, Homepage: g.homepage,
			PURL: purl(packageurl.TypeGem, "", g.name, g.version, nil),
		}
		// Whether all of several licences hold, or the user may choose, a
		// gemspec does not say.
		if len(g.licenses) == 1 {
			out.License = b.declared(g.name, g.licenses[0], "")
		}
		b.within(owner, out)
	}
	return nil
}
