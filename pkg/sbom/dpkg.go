package sbom

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/imgbuild/imgbuild/pkg/deb"
)

// Where dpkg keeps its database (dpkg(1), "FILES"). Distroless images have
// status.d instead, a file a package, with md5sums in place of lists.
const (
	dpkgStatus     = "var/lib/dpkg/status"
	dpkgStatusDir  = "var/lib/dpkg/status.d/"
	dpkgInfo       = "var/lib/dpkg/info/"
	dpkgDiversions = "var/lib/dpkg/diversions"
	docDir         = "usr/share/doc/"
)

// installed is a package as dpkg knows it.
type installed struct {
	name, version, arch   string
	source, sourceVersion string
	maintainer, homepage  string
	// paths has the package's files by dpkg's list, with a leading slash.
	paths []string
}

// parseStatus reads dpkg's status, and the same of one package. Packages that
// are not there, or only with their settings, are left out.
func parseStatus(text []byte) ([]installed, error) {
	var out []installed
	for _, paragraph := range paragraphs(text) {
		s, err := deb.ParseStanza(paragraph)
		if err != nil {
			return nil, fmt.Errorf("dpkg's status: %w", err)
		}
		// "want flag state" (dpkg(1), "INFORMATION ABOUT PACKAGES").
		if words := strings.Fields(s.Get("Status")); len(words) == 3 && (words[2] == "not-installed" || words[2] == "config-files") {
			continue
		}
		p := installed{
			name: s.Get("Package"), version: s.Get("Version"), arch: s.Get("Architecture"),
			maintainer: s.Get("Maintainer"), homepage: s.Get("Homepage"),
		}
		if p.name == "" || p.version == "" || strings.ContainsAny(p.name+p.arch, "/\n\x00 ") {
			return nil, errors.New("dpkg's status: a package without a name or a version")
		}
		// "Source: glibc (2.41-12)"; the version only where it is another one.
		p.source, p.sourceVersion, _ = strings.Cut(s.Get("Source"), " ")
		p.sourceVersion = strings.Trim(p.sourceVersion, "() ")
		out = append(out, p)
	}
	return out, nil
}

// paragraphs splits text at its empty lines.
func paragraphs(text []byte) [][]byte {
	var out [][]byte
	start := 0
	flush := func(end int) {
		if p := text[start:end]; len(bytes.TrimSpace(p)) > 0 {
			out = append(out, p)
		}
	}
	for at := 0; at < len(text); {
		end := len(text)
		if i := bytes.IndexByte(text[at:], '\n'); i >= 0 {
			end = at + i + 1
		}
		if len(bytes.TrimSpace(text[at:end])) == 0 {
			flush(at)
			start = end
		}
		at = end
	}
	flush(len(text))
	return out
}

// parseList reads info/NAME.list: a path a line.
func parseList(text []byte) []string {
	var out []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimRight(line, "\r\n"); strings.HasPrefix(line, "/") && line != "/." {
			out = append(out, line)
		}
	}
	return out
}

// parseSums reads NAME.md5sums: a hash, two spaces and a path without a
// leading slash (deb-md5sums(5)).
func parseSums(text []byte) []string {
	var out []string
	for line := range strings.Lines(string(text)) {
		if _, p, ok := strings.Cut(strings.TrimRight(line, "\r\n"), "  "); ok && p != "" {
			out = append(out, "/"+strings.TrimPrefix(strings.TrimPrefix(p, "./"), "/"))
		}
	}
	return out
}

// diversion moves other packages' files at from to to (dpkg-divert(1)).
type diversion struct{ from, to, by string }

// parseDiversions reads dpkg's file of them: three lines for each, ":" for a
// diversion that is no package's.
func parseDiversions(text []byte) []diversion {
	lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	var out []diversion
	for ; len(lines) >= 3; lines = lines[3:] {
		out = append(out, diversion{from: lines[0], to: lines[1], by: lines[2]})
	}
	return out
}
