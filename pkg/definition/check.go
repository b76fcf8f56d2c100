package definition

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/imgbuild/imgbuild/pkg/definition/internal/grammar"
)

// checker looks at the meaning of what decoder has read.
type checker struct {
	*report
	d     *Definition
	files func(path string) ([]byte, error)
}

func (c checker) definition() {
	c.match("/name", c.d.Name, grammar.Name)
	c.match("/title", c.d.Title, grammar.Text)
	c.match("/description", c.d.Description, grammar.Text)
	c.versions()
	c.some("/platforms", len(c.d.Platforms), few)
	for i, p := range c.d.Platforms {
		if path := at("/platforms", i); c.has(path) && !slices.Contains(grammar.Platforms, p) {
			c.add(path, "unknown platform "+quote(p), suggest(p, grammar.Platforms, "use %s", " or "))
		}
	}
	c.unique("/platforms", c.d.Platforms)
	if !c.some("/variants", len(c.d.Variants), few) {
		return
	}
	for i := range c.d.Variants {
		c.variant(at("/variants", i), &c.d.Variants[i])
	}
	c.uniqueNames("/variants", names(c.d.Variants, func(v Variant) string { return v.Name }))
	c.suffixes()
}

func (c checker) versions() {
	v := c.d.Versions
	var sources []string
	for _, key := range []string{"go", "npm", "debian"} {
		if c.written("/versions/" + key) {
			sources = append(sources, key)
		}
	}
	if len(sources) > 1 {
		c.add("/versions/"+sources[1], "versions come from "+strings.Join(sources, " and "), "keep one of them")
	}
	if c.has("/versions/go") && !v.Go {
		c.add("/versions/go", "go is false", "leave it out")
	}
	c.match("/versions/npm", v.NPM, grammar.NPMPackage)
	c.placeholders("/versions/npm", v.NPM, archPlaceholders)
	c.match("/versions/debian", v.Debian, grammar.DebianPackage)
	c.placeholders("/versions/debian", v.Debian, archPlaceholders)
	if !c.some("/versions/series", len(v.Series), few) {
		return
	}
	for i, s := range v.Series {
		path := at("/versions/series", i)
		if !c.match(path, s, grammar.Series) {
			continue
		}
		c.seriesAfter(path, s, v.Series[:i], len(sources) > 0)
	}
}

// seriesAfter checks a series against those before it. chosen says that
// versions are chosen by the series, and are not the series themselves.
func (c checker) seriesAfter(path, s string, before []string, chosen bool) {
	for _, earlier := range before {
		switch {
		case earlier == s:
			c.add(path, "the series "+quote(s)+" is there twice", "keep one of them")
		case chosen && (InSeries(s, earlier) || InSeries(earlier, s)):
			c.add(path, fmt.Sprintf("the series %q and %q may choose the same version", earlier, s), "keep one of them")
		case CompareVersions(earlier, s) < 0:
			c.add(path, fmt.Sprintf("the series %q is newer than %q before it", s, earlier), "put the newest first")
		default:
			continue
		}
		return
	}
}

func (c checker) variant(path string, v *Variant) {
	c.match(path+"/name", v.Name, grammar.Word)
	c.match(path+"/suffix", v.Suffix, grammar.Suffix)
	if c.some(path+"/layers", len(v.Layers), few) {
		for i := range v.Layers {
			c.layer(at(path+"/layers", i), v, i)
		}
	}
	c.uniqueNames(path+"/layers", names(v.Layers, func(l Layer) string { return l.Name }))
	c.config(path+"/config", v.Config)
	if c.d.Versions.Debian != "" && !slices.ContainsFunc(v.Layers, func(l Layer) bool { return l.Debian != nil }) {
		c.add(path+"/layers", "versions come from a Debian package, but no layer is of Debian packages", "add a debian layer, or leave versions.debian out")
	}
}

// suffixes reports variants that would have the same tags.
func (c checker) suffixes() {
	owner := map[string]int{}
	if len(c.d.Versions.Series) > few {
		return
	}
	tags := Tags(c.d.Versions.Series)
	for i := range c.d.Variants {
		v := &c.d.Variants[i]
		if c.bad[at("/variants", i)] || c.bad[at("/variants", i)+"/suffix"] {
			continue
		}
	tags:
		for _, s := range c.d.Versions.Series {
			for _, tag := range v.Tags(tags[s]) {
				first, taken := owner[tag]
				if taken && first != i {
					path := at("/variants", i)
					if c.written(path + "/suffix") {
						path += "/suffix"
					}
					c.add(path, fmt.Sprintf("the variants %s and %s both have the tag %s:%s", c.d.Variants[first].Name, v.Name, c.d.Name, tag), "give one of them another suffix")
					break tags
				}
				owner[tag] = i
			}
		}
	}
}

// match reports a value that does not have the form of the rule, and says
// whether it has. A value that is not written is not looked at.
func (c checker) match(path, value string, r *grammar.Rule) bool {
	if !c.has(path) {
		return false
	}
	if !r.Match(value) {
		what := last(path) + " is " + quote(value)
		if value == "" {
			what = last(path) + " is empty"
		}
		c.add(path, what, "use "+r.Says)
		return false
	}
	return true
}

// How many items lists may have. What is beyond is no definition that people
// write, and would make comparing each with each slow.
const (
	few  = 100
	many = 4_000
)

// some reports a list that is written and has nothing in it, or more than limit.
func (c checker) some(path string, n, limit int) bool {
	switch {
	case !c.has(path):
		return false
	case n == 0:
		c.add(path, last(path)+" is empty", "put at least one item into it")
	case n > limit:
		c.add(path, fmt.Sprintf("%s has %d items", last(path), n), fmt.Sprintf("keep it to %d", limit))
	}
	return n <= limit
}

// unique reports values of a list that are there twice.
func (c checker) unique(path string, values []string) {
	seen := make(map[string]bool, len(values))
	for i, v := range values {
		if c.has(at(path, i)) && seen[v] {
			c.add(at(path, i), quote(v)+" is there twice", "keep one of them")
		}
		seen[v] = true
	}
}

// uniqueNames is unique for a list of things that have a name.
func (c checker) uniqueNames(path string, values []string) {
	seen := make(map[string]bool, len(values))
	for i, v := range values {
		if at := at(path, i) + "/name"; c.has(at) && seen[v] {
			c.add(at, "the name "+quote(v)+" is there twice", "give one of them another name")
		}
		seen[v] = true
	}
}

// archPlaceholders are those that stand for something before a version is chosen.
var archPlaceholders = []string{"arch", "npmarch"}

// placeholders reports placeholders other than those allowed.
func (c checker) placeholders(path, value string, allowed []string) {
	if !c.has(path) {
		return
	}
	if what, do := checkPlaceholders(value, allowed); what != "" {
		c.add(path, what, do)
	}
}

func at(path string, i int) string { return path + "/" + strconv.Itoa(i) }

func names[T any](items []T, name func(T) string) []string {
	out := make([]string, len(items))
	for i, item := range items {
		out[i] = name(item)
	}
	return out
}
