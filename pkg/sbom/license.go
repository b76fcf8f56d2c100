package sbom

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/github/go-spdx/v2/spdxexp/spdxlicenses"
	"github.com/google/licensecheck"

	"github.com/imgbuild/imgbuild/internal/lazyregexp"
)

// declared is the SPDX expression for what a package says its licence is. Where
// that is none, the licence's own text decides, and else the words themselves
// become a LicenseRef: nothing is guessed.
func (b *builder) declared(name, says, text string) string {
	if e, ok := expression(says); ok {
		return e
	}
	if e, _ := fromText(text); e != NoAssertion {
		return e
	}
	switch {
	case says != "":
		return b.ref(oneLine(says), cmp.Or(text, says))
	case text != "":
		return b.ref(name, text)
	}
	return NoAssertion
}

// recognised are the licences that texts are compared with: those of Go,
// Node.js and what Node.js takes along, and of most npm packages. To compare
// with all that licensecheck knows takes it a second to get ready. A text that
// is none of them becomes a LicenseRef.
var recognised = []string{
	"0BSD", "Apache-2.0", "Artistic-2.0", "BlueOak-1.0.0", "BSD-2-Clause", "BSD-3-Clause", "BSD-4-Clause", "BSL-1.0",
	"CC0-1.0", "CC-BY-3.0", "CC-BY-4.0", "HPND-sell-variant", "ICU", "ISC", "MIT", "MIT-0", "MPL-2.0", "OpenSSL",
	"Python-2.0", "Unlicense", "WTFPL", "Zlib",
}

var scanner = sync.OnceValue(func() *licensecheck.Scanner {
	licenses := slices.DeleteFunc(licensecheck.BuiltinLicenses(), func(l licensecheck.License) bool {
		return l.LRE == "" || !slices.Contains(recognised, l.ID)
	})
	s, err := licensecheck.NewScanner(licenses)
	if err != nil {
		panic(err) // the library's own patterns
	}
	return s
})

// maxPreamble is how many bytes may stand before a licence: its title, who has
// the copyright. A licence that begins later is somebody else's, in a text
// that is something else.
const maxPreamble = 500

// fromText finds which licence a text is. The one that it begins with is what
// the file's owner grants; found has all, such as those of libraries that
// Node.js takes along. NoAssertion is for a text that begins with none.
func fromText(text string) (license string, found []string) {
	if text == "" {
		return NoAssertion, nil
	}
	license = NoAssertion
	for i, m := range scanner().Scan([]byte(text)).Match {
		ok, id := spdxlicenses.IsActiveLicense(m.ID)
		if !ok {
			continue
		}
		if i == 0 && m.Start <= maxPreamble {
			license = id
		}
		if !slices.Contains(found, id) {
			found = append(found, id)
		}
	}
	slices.Sort(found)
	return license, found
}

// ref returns the LicenseRef for a licence that SPDX has no identifier for.
// Licences of one name and different texts are different.
func (b *builder) ref(name, text string) string {
	id := fmt.Sprintf("LicenseRef-%s-%x", idString(name), sha256.Sum256([]byte(text)))
	id = id[:len(id)-56]
	b.texts[id] = Text{ID: id, Name: name, Text: strings.ToValidUTF8(text, "\uFFFD")}
	return id
}

var notID = lazyregexp.New(`[^A-Za-z0-9.]+`)

// idString makes letters, digits, dots and dashes of s (SPDX 2.3, 10.1).
func idString(s string) string {
	s = strings.Trim(notID().ReplaceAllString(s, "-"), "-")
	return cmp.Or(s[:min(len(s), 60)], "license")
}
