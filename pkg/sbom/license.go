package sbom

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/github/go-spdx/v2/spdxexp/spdxlicenses"
	"github.com/google/licensecheck"
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

// fromText finds which licence a text is. The first one is what the file's
// owner grants; found has all, such as those of libraries that Node.js takes
// along. NoAssertion is for a text that is none.
func fromText(text string) (license string, found []string) {
	if text == "" {
		return NoAssertion, nil
	}
	for _, m := range licensecheck.Scan([]byte(text)).Match {
		if m.IsURL {
			continue
		}
		if ok, id := spdxlicenses.IsActiveLicense(m.ID); ok && !slices.Contains(found, id) {
			found = append(found, id)
		}
	}
	if len(found) == 0 {
		return NoAssertion, nil
	}
	license = found[0]
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

var notID = regexp.MustCompile(`[^A-Za-z0-9.]+`)

// idString makes letters, digits, dots and dashes of s (SPDX 2.3, 10.1).
func idString(s string) string {
	s = strings.Trim(notID.ReplaceAllString(s, "-"), "-")
	return cmp.Or(s[:min(len(s), 60)], "license")
}
