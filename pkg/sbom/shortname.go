package sbom

import (
	"slices"
	"strings"

	"github.com/github/go-spdx/v2/spdxexp/spdxlicenses"

	"github.com/imgbuild/imgbuild/internal/lazyregexp"
)

// shortNames makes an SPDX expression of a License field's first line: "and"
// binds tighter than "or", unless a comma says otherwise ("A or B, and C";
// DEP-5, "Syntax"). leaf gives the identifier of one licence.
func shortNames(s string, leaf func(name string) string) string {
	words := strings.Fields(strings.ReplaceAll(s, ",", " , "))
	if len(words) > maxWords {
		return leaf(strings.Join(words, " "))
	}
	return joined(words, 0, leaf)
}

// maxWords bounds what is taken apart; the longest in the archive has about 40.
const maxWords = 200

// operators, from the loosest to the tightest.
var operators = [][]string{{",", "or"}, {",", "and"}, {"or"}, {"and"}}

func joined(words []string, level int, leaf func(string) string) string {
	if level == len(operators) {
		words = slices.DeleteFunc(slices.Clone(words), func(w string) bool { return w == "," })
		return leaf(strings.Join(words, " "))
	}
	operator := operators[level]
	spdx := strings.ToUpper(operator[len(operator)-1])
	var parts []string
	start := 0
	add := func(end int) {
		if end > start {
			if p := joined(words[start:end], level+1, leaf); !slices.Contains(parts, p) {
				parts = append(parts, p)
			}
		}
	}
	for i := 0; i+len(operator) <= len(words); i++ {
		if !matches(words[i:], operator) {
			continue
		}
		add(i)
		start = i + len(operator)
		i = start - 1
	}
	add(len(words))
	if len(parts) == 0 {
		return leaf(strings.Join(words, " "))
	}
	if len(parts) > 1 {
		other := map[string]string{"AND": " OR ", "OR": " AND "}[spdx]
		for i, p := range parts {
			if strings.Contains(p, other) {
				parts[i] = "(" + p + ")"
			}
		}
	}
	slices.Sort(parts)
	return strings.Join(parts, " "+spdx+" ")
}

func matches(words, operator []string) bool {
	for i, o := range operator {
		if !strings.EqualFold(words[i], o) {
			return false
		}
	}
	return true
}

// spdxNames are short names of DEP-5 ("License short name") that SPDX has
// under another identifier.
var spdxNames = map[string]string{
	"expat":         "MIT",
	"zlib":          "Zlib",
	"cc0":           "CC0-1.0",
	"python":        "Python-2.0",
	"perl":          "GPL-1.0-or-later OR Artistic-1.0-Perl",
	"w3c-software":  "W3C",
	"lppl-1.0":      "LPPL-1.0",
	"lgpl-2.0+":     "LGPL-2.0-or-later",
	"bsd-2-clause":  "BSD-2-Clause",
	"bsd-3-clause":  "BSD-3-Clause",
	"bsd-4-clause":  "BSD-4-Clause",
	"gfdl-niv-1.1":  "GFDL-1.1-no-invariants-only",
	"gfdl-niv-1.2":  "GFDL-1.2-no-invariants-only",
	"gfdl-niv-1.3":  "GFDL-1.3-no-invariants-only",
	"gfdl-niv-1.1+": "GFDL-1.1-no-invariants-or-later",
	"gfdl-niv-1.2+": "GFDL-1.2-no-invariants-or-later",
	"gfdl-niv-1.3+": "GFDL-1.3-no-invariants-or-later",
	"apache-2":      "Apache-2.0",
	"mpl-2":         "MPL-2.0",
	// Debian's own copy, /usr/share/common-licenses/Artistic, is "the one
	// coming from Perl" (base-files, copyright).
	"artistic":   "Artistic-1.0-Perl",
	"artistic-2": "Artistic-2.0",
}

// gnu are the licences whose "-only" and "-or-later" are one short name with
// and without "+".
var gnu = lazyregexp.New(`^(?i)(a?gpl|lgpl|gfdl)-([0-9])(?:\.([0-9]))?(?:\.0)?(\+)?$`)

// exceptions are the words before "exception" for which SPDX has an identifier
// (DEP-5: "with keywords exception").
var exceptions = map[string]string{
	"font":  "Font-exception-2.0",
	"bison": "Bison-exception-2.2",
}

// spdxOf returns the identifier of a short name. It is false for a name that
// is on neither list, and for "GPL" without a version: which one is meant is
// not known.
func spdxOf(name string) (string, bool) {
	lower := strings.ToLower(name)
	if id, ok := spdxNames[lower]; ok {
		return id, true
	}
	if m := gnu().FindStringSubmatch(name); m != nil {
		minor, suffix := m[3], "-only"
		if minor == "" {
			minor = "0"
		}
		if m[4] != "" {
			suffix = "-or-later"
		}
		return spdxlicense(strings.ToUpper(m[1]) + "-" + m[2] + "." + minor + suffix)
	}
	if license, exception, ok := strings.Cut(lower, " with "); ok {
		word, isException := strings.CutSuffix(strings.TrimSuffix(exception, "s"), " exception")
		id, known := spdxOf(license)
		if e, ok := exceptions[word]; ok && isException && known && !strings.Contains(id, " ") {
			return id + " WITH " + e, true
		}
		return "", false
	}
	return spdxlicense(name)
}

func spdxlicense(id string) (string, bool) {
	ok, listed := spdxlicenses.IsActiveLicense(id)
	return listed, ok
}
