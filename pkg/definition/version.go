package definition

import (
	"cmp"
	"slices"
	"strings"
)

// CompareVersions orders versions such as 1.27.3, 26.10.0 and 3.3: runs of
// digits as numbers, everything else as text, and a shorter version before a
// longer one with the same beginning. It is meant for releases: it knows
// nothing of rc or beta. The result is that of cmp.Compare.
func CompareVersions(a, b string) int {
	for a != "" && b != "" {
		ra, rb := run(a), run(b)
		var c int
		if isDigit(ra[0]) && isDigit(rb[0]) {
			na, nb := strings.TrimLeft(ra, "0"), strings.TrimLeft(rb, "0")
			c = cmp.Or(cmp.Compare(len(na), len(nb)), cmp.Compare(na, nb))
		} else {
			c = cmp.Compare(ra, rb)
		}
		if c != 0 {
			return c
		}
		a, b = a[len(ra):], b[len(rb):]
	}
	return cmp.Compare(len(a), len(b))
}

// run is the longest beginning of s that is all digits or has none.
func run(s string) string {
	i := 1
	for i < len(s) && isDigit(s[i]) == isDigit(s[0]) {
		i++
	}
	return s[:i]
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// InSeries says whether version is series itself or continues it: 1.27.3 and
// 1.27 are in the series 1.27, 1.270 is not.
func InSeries(version, series string) bool {
	rest, ok := strings.CutPrefix(version, series)
	return ok && (rest == "" || rest[0] != '_' && !isAlphanumeric(rest[0]))
}

func isAlphanumeric(c byte) bool {
	return isDigit(c) || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// Tags returns the tags of every version of the image without a variant's
// suffix: the version, its shorter dotted prefixes and, for the newest
// version, "latest". A prefix that several versions share belongs to the
// newest of them, so with 1.27.3 and 1.26.8 the tag 1 is 1.27.3's. The longest
// tag comes first.
func Tags(versions []string) map[string][]string {
	sorted := slices.Compact(slices.SortedFunc(slices.Values(versions), func(a, b string) int {
		return cmp.Or(CompareVersions(b, a), cmp.Compare(a, b))
	}))
	taken := map[string]bool{}
	tags := make(map[string][]string, len(sorted))
	for i, v := range sorted {
		for prefix := v; prefix != ""; {
			if tag := tagText(prefix); !taken[tag] {
				taken[tag] = true
				tags[v] = append(tags[v], tag)
			}
			dot := strings.LastIndexByte(prefix, '.')
			prefix = prefix[:max(dot, 0)]
		}
		if i == 0 && !taken[Latest] {
			tags[v] = append(tags[v], Latest)
		}
	}
	return tags
}

// Latest is the tag of the newest version.
const Latest = "latest"

// tagText replaces what the grammar of tags does not have ([\w.-], OCI
// distribution spec, "Pulling manifests"), such as the + of 1.2+dfsg.
func tagText(version string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x80 && (isAlphanumeric(byte(r)) || strings.ContainsRune("._-", r)) {
			return r
		}
		return '_'
	}, version)
}

// Tags returns the variant's own tags for the tags of a version as Tags gives
// them: each with the variant's suffix, and for latest also the suffix alone,
// so that golang:slim and golang:latest-slim are the same image.
func (v *Variant) Tags(version []string) []string {
	var tags []string
	for _, t := range version {
		tags = append(tags, t+v.Suffix)
		if bare := strings.TrimLeft(v.Suffix, "-."); t == Latest && bare != "" {
			tags = append(tags, bare)
		}
	}
	return tags
}

// Variant returns the variant of that name, or nil.
func (d *Definition) Variant(name string) *Variant {
	for i := range d.Variants {
		if d.Variants[i].Name == name {
			return &d.Variants[i]
		}
	}
	return nil
}
