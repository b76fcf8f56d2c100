package sbom

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/github/go-spdx/v2/spdxexp"
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

// maxExpression is the length of an expression that is read at all, in bytes.
const maxExpression = 1000

// expression returns s if it is a valid SPDX expression of licences on the
// list (SPDX 2.3, annex D).
func expression(s string) (string, bool) {
	s = strings.Join(strings.Fields(s), " ")
	if s == "" || len(s) > maxExpression || strings.Contains(s, "Ref-") {
		return "", false
	}
	if ok, _ := spdxexp.ValidateLicenses([]string{s}); !ok {
		return "", false
	}
	// Identifiers are compared without case, but written as on the list.
	return identifiers.ReplaceAllStringFunc(s, func(id string) string {
		plain, plus := strings.CutSuffix(id, "+")
		for _, list := range []func(string) (bool, string){spdxlicenses.IsActiveLicense, spdxlicenses.IsException, spdxlicenses.IsDeprecatedLicense} {
			if ok, listed := list(plain); ok {
				if plus {
					return listed + "+"
				}
				return listed
			}
		}
		return strings.ToUpper(id) // AND, OR, WITH
	}), true
}

var identifiers = regexp.MustCompile(`[A-Za-z0-9.+-]+`)

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

// all joins expressions that hold together.
func all(expressions []string) string {
	var terms []string
	for _, e := range expressions {
		terms = append(terms, conjuncts(e)...)
	}
	slices.Sort(terms)
	terms = slices.Compact(terms)
	if len(terms) > 1 {
		for i, t := range terms {
			if strings.Contains(t, " OR ") {
				terms[i] = "(" + t + ")"
			}
		}
	}
	return strings.Join(terms, " AND ")
}

// conjuncts takes an expression apart at the ANDs that are in no parentheses.
// One with an OR outside of them stays whole, and loses the parentheses that
// are around all of it.
func conjuncts(e string) []string {
	var out, words []string
	depth := 0
	for word := range strings.SplitSeq(e, " ") {
		depth += strings.Count(word, "(") - strings.Count(word, ")")
		switch {
		case depth == 0 && word == "OR":
			return []string{e}
		case depth == 0 && word == "AND":
			out = append(out, strings.Join(words, " "))
			words = nil
		default:
			words = append(words, word)
		}
	}
	out = append(out, strings.Join(words, " "))
	for i, t := range out {
		if strings.HasPrefix(t, "(") && strings.HasSuffix(t, ")") {
			out[i] = t[1 : len(t)-1]
		}
	}
	return out
}
