package mirror

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/imgbuild/imgbuild/internal/lazyregexp"
)

// aptSource is one entry of apt's sources, see sources.list(5).
type aptSource struct {
	types      []string // deb, deb-src
	uris       []string
	suites     []string
	components []string
	signedBy   string
}

// apt returns the places of Debian's own archive, or of its security archive,
// among apt's sources. Lines that apt itself would refuse are passed over:
// they are apt's to complain about.
func (m *machine) apt(archive string) []Base {
	var bases []Base
	for _, path := range m.aptFiles() {
		b, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		parse := parseSourcesList
		if strings.HasSuffix(path, ".sources") {
			parse = parseDeb822Sources
		}
		for _, src := range parse(b) {
			for _, uri := range src.uris {
				if src.archive(uri) != archive {
					continue
				}
				base, err := parseBase(archive, uri, "apt's sources ("+path+")")
				if err == nil && !slices.ContainsFunc(bases, func(b Base) bool { return b.URL == base.URL }) {
					bases = append(bases, base)
				}
			}
		}
	}
	if len(bases) == 0 {
		return nil
	}
	return withNetrc(bases, m.aptAuth()...)
}

// aptFiles are sources.list and, in order of their names, the files of
// sources.list.d.
func (m *machine) aptFiles() []string {
	files := []string{m.path("/etc/apt/sources.list")}
	entries, err := os.ReadDir(m.path("/etc/apt/sources.list.d"))
	if err != nil {
		return files
	}
	for _, e := range entries {
		if ext := filepath.Ext(e.Name()); ext == ".list" || ext == ".sources" {
			files = append(files, m.path(filepath.Join("/etc/apt/sources.list.d", e.Name())))
		}
	}
	return files
}

// archive says which of Debian's archives the entry has at uri, if any. The
// host tells nothing, since anyone may mirror Debian; and a path of /debian
// alone tells little, since vendors call theirs so too. Theirs differ in the
// suite, the component or the key.
func (s aptSource) archive(uri string) string {
	if !slices.Contains(s.types, "deb") || !slices.Contains(s.components, "main") {
		return ""
	}
	if isKeyPath(s.signedBy) && !strings.Contains(filepath.Base(s.signedBy), "debian-archive") {
		return ""
	}
	path := strings.TrimRight(uri, "/")
	security := slices.ContainsFunc(s.suites, isSecuritySuite)
	main := slices.ContainsFunc(s.suites, isSuite)
	switch {
	case strings.HasSuffix(path, "/debian-security") && (security || main):
		return DebianSecurity
	case strings.HasSuffix(path, "/debian") && main:
		return Debian
	case security && !main && isKeyPath(s.signedBy):
		return DebianSecurity // at a path of the mirror's own choice
	case main && !security && isKeyPath(s.signedBy) && !snapshotRE().MatchString(path):
		return Debian
	}
	return ""
}

// snapshotRE finds a mirror of one moment, which lacks what came after.
var snapshotRE = lazyregexp.New(`/[0-9]{8}T[0-9]{6}Z$`)

// isKeyPath: Signed-By may also hold fingerprints or the key itself, which
// tell nothing here; the signature of the archive is checked anyway.
func isKeyPath(signedBy string) bool { return strings.HasPrefix(signedBy, "/") }

// suites of Debian from the oldest that is still served at its main mirrors.
var suites = []string{
	"bullseye", "bookworm", "trixie", "forky", "duke", "sid",
	"oldoldstable", "oldstable", "stable", "testing", "unstable", "experimental",
}

func isSuite(s string) bool {
	for _, suffix := range []string{"-updates", "-backports", "-backports-sloppy", "-proposed-updates"} {
		if name, ok := strings.CutSuffix(s, suffix); ok {
			s = name
			break
		}
	}
	return slices.Contains(suites, s)
}

func isSecuritySuite(s string) bool {
	name, ok := strings.CutSuffix(s, "-security")
	if !ok {
		name, ok = strings.CutSuffix(s, "/updates") // before bullseye
	}
	return ok && slices.Contains(suites, name)
}
