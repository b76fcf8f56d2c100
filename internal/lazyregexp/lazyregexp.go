// Package lazyregexp has regular expressions that are compiled when they are
// first used. A package's variables cost every start of the program; those
// patterns together are milliseconds, and one call uses few of them.
package lazyregexp

import (
	"regexp"
	"sync"
)

// New returns what gives the compiled pattern, and panics at its first call if
// the pattern is wrong (tests see to it: every pattern is used by one).
func New(pattern string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(pattern) })
}

// Matches returns whether a text has the pattern in it.
func Matches(pattern string) func(string) bool {
	compiled := New(pattern)
	return func(s string) bool { return compiled().MatchString(s) }
}
