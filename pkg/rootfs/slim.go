package rootfs

import (
	"archive/tar"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/imgbuild/imgbuild/internal/lazyregexp"
)

// excludes and includes are the path filters of Debian's slim images
// (debuerreotype, scripts/.slimify-excludes and .slimify-includes), sorted as
// there. They are written into the image, too: what is installed later obeys
// them as well.
var (
	excludes = []string{
		"/usr/share/doc/*",
		"/usr/share/doc/kde/HTML/*/*",
		"/usr/share/gnome/help/*/*",
		"/usr/share/info/*",
		"/usr/share/linda/*",
		"/usr/share/lintian/overrides/*",
		"/usr/share/locale/*",
		"/usr/share/man/*",
		"/usr/share/omf/*/*-*.emf",
	}
	includes = []string{
		"/usr/share/doc/*/copyright",
		"/usr/share/doc/kde/HTML/C/*",
		"/usr/share/gnome/help/*/C/*",
		"/usr/share/locale/all_languages",
		"/usr/share/locale/currency/*",
		"/usr/share/locale/l10n/*",
		"/usr/share/locale/languages",
		"/usr/share/locale/locale.alias",
		"/usr/share/omf/*/*-C.emf",
	}
	// minimalExcludes go further, for images in which nobody works: what only
	// shells, debuggers, Perl and translations use, and the second and third
	// copy of the time zones.
	minimalExcludes = []string{
		"/usr/lib/locale/*",
		"/usr/share/bash-completion/*",
		"/usr/share/bug/*",
		"/usr/share/gcc/*",
		"/usr/share/gdb/*",
		"/usr/share/groff/*",
		"/usr/share/i18n/*",
		"/usr/share/lintian/*",
		"/usr/share/locale/*",
		"/usr/share/menu/*",
		"/usr/share/perl5/*",
		"/usr/share/zoneinfo/posix/*",
		"/usr/share/zoneinfo/right/*",
	}
)

// filter decides which paths are left out.
type filter struct{ exclude, include *regexp.Regexp }

func newFilter(exclude, include []string) filter {
	return filter{globs(exclude), globs(include)}
}

// globs makes one expression of shell patterns as fnmatch(3) without flags
// reads them, as dpkg does: * matches slashes too.
func globs(patterns []string) *regexp.Regexp {
	var b strings.Builder
	for i, p := range patterns {
		if i > 0 {
			b.WriteByte('|')
		}
		b.WriteString("^" + strings.ReplaceAll(regexp.QuoteMeta(strings.TrimPrefix(p, "/")), `\*`, ".*") + "$")
	}
	return regexp.MustCompile(b.String())
}

func (f filter) drops(p string) bool {
	return f.exclude.MatchString(p) && (f.include == nil || !f.include.MatchString(p))
}

// manSection are folders that some packages' scripts expect to be there
// (debuerreotype issue 10).
var manSection = lazyregexp.New(`^usr/share/man/man[0-9]$`)

// slim takes away what slim images leave out, as debuerreotype does: files,
// then links that lead nowhere and folders that are empty.
func (t *tree) slim(minimal bool) {
	filters := []filter{newFilter(excludes, includes)}
	if minimal {
		filters = append(filters, filter{exclude: globs(minimalExcludes)})
	}
	dropped := func(p string) bool {
		return slices.ContainsFunc(filters, func(f filter) bool { return f.drops(p) })
	}
	var rest []string // links and folders, the deepest last
	for _, p := range slices.Clone(t.paths()) {
		if !strings.HasPrefix(p, "usr/") || !dropped(p) {
			continue
		}
		switch t.nodes[p].hdr.Typeflag {
		case typeDir, tar.TypeSymlink:
			rest = append(rest, p)
		default:
			t.delete(p)
		}
	}
	for again := true; again; {
		again = false
		full := map[string]bool{}
		for p := range t.nodes {
			full[path.Dir(p)] = true
		}
		for _, p := range slices.Backward(rest) {
			n := t.nodes[p]
			if n == nil || full[p] || !minimal && manSection().MatchString(p) {
				continue
			}
			if n.hdr.Typeflag == tar.TypeSymlink {
				if _, ok := t.resolve(p); ok {
					continue
				}
			}
			t.delete(p)
			again = true
		}
	}
}
