package strictyaml

import (
	"fmt"

	"github.com/imgbuild/imgbuild/internal/lazyregexp"
)

// Rule is the form of one kind of word.
type Rule struct {
	// Pattern is an anchored regular expression that RE2 and ECMA 262 read alike.
	Pattern string
	// Says is the form in words, to follow "use".
	Says string

	matches func(string) bool
}

// NewRule returns a rule whose Match panics where the pattern is none.
func NewRule(pattern, says string) *Rule {
	return &Rule{Pattern: pattern, Says: says, matches: lazyregexp.Matches(pattern)}
}

// Match says whether s has the form.
func (r *Rule) Match(s string) bool { return r.matches(s) }

// Match reports a value that does not have the form of the rule, and says
// whether it has. A value that is not written is not looked at.
func (r *Report) Match(path, value string, rule *Rule) bool {
	if !r.Has(path) {
		return false
	}
	if !rule.Match(value) {
		what := r.Last(path) + " is " + Quote(value)
		if value == "" {
			what = r.Last(path) + " is empty"
		}
		r.Add(path, what, "use "+rule.Says)
		return false
	}
	return true
}

// Some reports a list that is written and has nothing in it, or more than
// limit. It says whether the list can be looked at.
func (r *Report) Some(path string, n, limit int) bool {
	switch {
	case !r.Has(path):
		return false
	case n == 0:
		r.Add(path, r.Last(path)+" is empty", "put at least one item into it")
	case n > limit:
		r.Add(path, fmt.Sprintf("%s has %d items", r.Last(path), n), fmt.Sprintf("keep it to %d", limit))
	}
	return n <= limit
}

// Unique reports values of a list that are there twice.
func (r *Report) Unique(path string, values []string) {
	seen := make(map[string]bool, len(values))
	for i, v := range values {
		if r.Has(At(path, i)) && seen[v] {
			r.Add(At(path, i), Quote(v)+" is there twice", "keep one of them")
		}
		seen[v] = true
	}
}

// UniqueNames is Unique for a list of things that have a name.
func (r *Report) UniqueNames(path string, values []string) {
	seen := make(map[string]bool, len(values))
	for i, v := range values {
		if at := At(path, i) + "/name"; r.Has(at) && seen[v] {
			r.Add(at, "the name "+Quote(v)+" is there twice", "give one of them another name")
		}
		seen[v] = true
	}
}
