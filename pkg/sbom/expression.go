package sbom

import (
	"slices"
	"strings"

	"github.com/github/go-spdx/v2/spdxexp/spdxlicenses"
)

// maxExpression is the length of an expression that is read at all, in bytes.
const maxExpression = 1000

// expression returns s if it is an SPDX expression of licences on the list
// (SPDX 2.3, annex D), its identifiers written as there.
func expression(s string) (string, bool) {
	if len(s) > maxExpression {
		return "", false
	}
	s = strings.NewReplacer("(", " ( ", ")", " ) ").Replace(s)
	p := &expressionParser{words: strings.Fields(s)}
	out, ok := p.alternatives()
	return out, ok && len(p.words) == 0
}

// expressionParser reads an expression from the left. AND binds tighter than
// OR, WITH tighter than both; operators are in upper case.
type expressionParser struct{ words []string }

// take takes the next word if it is that one.
func (p *expressionParser) take(word string) bool {
	if len(p.words) == 0 || p.words[0] != word {
		return false
	}
	p.words = p.words[1:]
	return true
}

func (p *expressionParser) alternatives() (string, bool) { return p.list("OR", p.conjunction) }

func (p *expressionParser) conjunction() (string, bool) { return p.list("AND", p.term) }

func (p *expressionParser) list(operator string, item func() (string, bool)) (string, bool) {
	out, ok := item()
	for ok && p.take(operator) {
		var next string
		next, ok = item()
		out += " " + operator + " " + next
	}
	return out, ok
}

func (p *expressionParser) term() (string, bool) {
	if p.take("(") {
		out, ok := p.alternatives()
		return "(" + out + ")", ok && p.take(")")
	}
	if len(p.words) == 0 {
		return "", false
	}
	name, plus := strings.CutSuffix(p.words[0], "+")
	id, ok := listed(name)
	p.words = p.words[1:]
	if plus {
		id += "+"
	}
	if ok && p.take("WITH") {
		if len(p.words) == 0 {
			return "", false
		}
		var exception string
		ok, exception = spdxlicenses.IsException(p.words[0])
		p.words = p.words[1:]
		id += " WITH " + exception
	}
	return id, ok
}

// listed returns the identifier as it is on the list, which is compared
// without case. Old ones that have a better name by now are on it, too.
func listed(name string) (string, bool) {
	if ok, id := spdxlicenses.IsActiveLicense(name); ok {
		return id, true
	}
	ok, id := spdxlicenses.IsDeprecatedLicense(name)
	return id, ok
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
