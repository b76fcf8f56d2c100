package debian

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// release is the signed description of one suite.
type release struct {
	codename   string
	date       time.Time
	validUntil time.Time // zero where the suite never goes stale
	archs      []string
	components []string
	byHash     bool
	// allApart says that packages of architecture all are not repeated in the
	// index of each architecture.
	allApart bool
	files    map[string]indexFile
	signedBy []string
}

// indexFile is one file of a suite, by its path under dists/SUITE.
type indexFile struct {
	size   int64
	sha256 string
}

// parseRelease reads the text of a Release file. Only SHA256 is read of its
// checksums: the others are weaker.
func parseRelease(text []byte) (*release, error) {
	var rel *release
	for p, err := range Paragraphs(bytes.NewReader(text)) {
		if err != nil {
			return nil, err
		}
		if rel != nil {
			return nil, &SyntaxError{Line: p.Line, Msg: "a second paragraph"}
		}
		rel = &release{
			codename:   p.Get("Codename"),
			archs:      strings.Fields(p.Get("Architectures")),
			components: strings.Fields(p.Get("Components")),
			byHash:     p.Get("Acquire-By-Hash") == "yes",
		}
		rel.allApart = slices.Contains(rel.archs, "all") && p.Get("No-Support-for-Architecture-all") != "Packages"
		if rel.date, err = parseDate(p.Get("Date")); err != nil {
			return nil, fmt.Errorf("field Date: %w", err)
		}
		if v := p.Get("Valid-Until"); v != "" {
			if rel.validUntil, err = parseDate(v); err != nil {
				return nil, fmt.Errorf("field Valid-Until: %w", err)
			}
		}
		if rel.files, err = parseChecksums(p.Get("SHA256")); err != nil {
			return nil, fmt.Errorf("field SHA256: %w", err)
		}
	}
	if rel == nil {
		return nil, fmt.Errorf("the file is empty")
	}
	return rel, nil
}

// parseDate reads RFC 1123 dates in UTC, with day and hour of one or two digits.
func parseDate(s string) (time.Time, error) {
	for _, zone := range []string{" UTC", " GMT", " +0000"} {
		if v, ok := strings.CutSuffix(s, zone); ok {
			return time.Parse("Mon, _2 Jan 2006 15:04:05", v)
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a date in UTC", s)
}

func parseChecksums(s string) (map[string]indexFile, error) {
	files := make(map[string]indexFile, strings.Count(s, "\n"))
	for line := range strings.Lines(s) {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		if len(f) != 3 {
			return nil, fmt.Errorf("%.60q is not a hash, a size and a path", strings.TrimSpace(line))
		}
		size, err := strconv.ParseInt(f[1], 10, 64)
		if err != nil || size < 0 || !validSHA256(f[0]) || !localPath(f[2]) {
			return nil, fmt.Errorf("%.60q is not a hash, a size and a path", strings.TrimSpace(line))
		}
		files[f[2]] = indexFile{size: size, sha256: f[0]}
	}
	return files, nil
}

// check compares the release with what was asked for: an archive's mirror
// could answer with another suite's file, or with one that went stale. Both are
// rightly signed.
func (r *release) check(suite, arch string, now time.Time) error {
	switch {
	case r.codename != suite:
		return fmt.Errorf("this is the Release of codename %q; a suite is asked for by its codename", r.codename)
	case r.date.After(now.Add(maxClockSkew)):
		return fmt.Errorf("its date %s is in the future; is this machine's clock right?", r.date.Format(time.RFC3339))
	case !r.validUntil.IsZero() && now.After(r.validUntil):
		return fmt.Errorf("it went stale at %s; the mirror has not been updated since %s, use another one",
			r.validUntil.Format(time.RFC3339), r.date.Format(time.RFC3339))
	case !slices.Contains(r.archs, arch):
		return fmt.Errorf("it has no architecture %s, only %s", arch, strings.Join(r.archs, ", "))
	case !slices.Contains(r.components, "main") && !slices.Contains(r.components, "updates/main"):
		return fmt.Errorf("it has no component main, only %s", strings.Join(r.components, ", "))
	}
	return nil
}

// validSHA256 wants lower-case hex, the only form in which the hash is also an
// address in the store.
func validSHA256(s string) bool {
	_, err := hex.DecodeString(s)
	return err == nil && len(s) == 64 && s == strings.ToLower(s)
}

// localPath says whether a path stays under the folder it is relative to, and
// is written in its only form.
func localPath(p string) bool {
	return p != "" && p == path.Clean(p) && p[0] != '/' && p != ".." && !strings.HasPrefix(p, "../") && !strings.ContainsAny(p, "\\\x00")
}
