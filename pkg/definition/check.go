package definition

import (
	"fmt"
	"slices"
	"strings"

	"github.com/imgbuild/imgbuild/pkg/definition/internal/grammar"
	"github.com/imgbuild/imgbuild/pkg/strictyaml"
)

// checker looks at the meaning of what decoder has read.
type checker struct {
	*strictyaml.Report
	d     *Definition
	files func(path string) ([]byte, error)
}

func (c checker) definition() {
	c.Match("/name", c.d.Name, grammar.Name)
	c.Match("/title", c.d.Title, grammar.Text)
	c.Match("/description", c.d.Description, grammar.Text)
	c.versions()
	c.Some("/platforms", len(c.d.Platforms), few)
	for i, p := range c.d.Platforms {
		if path := strictyaml.At("/platforms", i); c.Has(path) && !slices.Contains(grammar.Platforms, p) {
			c.Add(path, "unknown platform "+strictyaml.Quote(p), strictyaml.Suggest(p, grammar.Platforms, "use %s", " or "))
		}
	}
	c.Unique("/platforms", c.d.Platforms)
	if !c.Some("/variants", len(c.d.Variants), few) {
		return
	}
	for i := range c.d.Variants {
		c.variant(strictyaml.At("/variants", i), &c.d.Variants[i])
	}
	c.UniqueNames("/variants", names(c.d.Variants, func(v Variant) string { return v.Name }))
	c.suffixes()
}

func (c checker) versions() {
	v := c.d.Versions
	var sources []string
	for _, key := range []string{"go", "npm", "debian"} {
		if c.Written("/versions/" + key) {
			sources = append(sources, key)
		}
	}
	if len(sources) > 1 {
		c.Add("/versions/"+sources[1], "versions come from "+strings.Join(sources, " and "), "keep one of them")
	}
	if c.Has("/versions/go") && !v.Go {
		c.Add("/versions/go", "go is false", "leave it out")
	}
	c.Match("/versions/npm", v.NPM, grammar.NPMPackage)
	c.placeholders("/versions/npm", v.NPM, archPlaceholders)
	c.Match("/versions/debian", v.Debian, grammar.DebianPackage)
	c.placeholders("/versions/debian", v.Debian, archPlaceholders)
	if !c.Some("/versions/series", len(v.Series), few) {
		return
	}
	for i, s := range v.Series {
		path := strictyaml.At("/versions/series", i)
		if !c.Match(path, s, grammar.Series) {
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
			c.Add(path, "the series "+strictyaml.Quote(s)+" is there twice", "keep one of them")
		case chosen && (InSeries(s, earlier) || InSeries(earlier, s)):
			c.Add(path, fmt.Sprintf("the series %q and %q may choose the same version", earlier, s), "keep one of them")
		case CompareVersions(earlier, s) < 0:
			c.Add(path, fmt.Sprintf("the series %q is newer than %q before it", s, earlier), "put the newest first")
		default:
			continue
		}
		return
	}
}

func (c checker) variant(path string, v *Variant) {
	c.Match(path+"/name", v.Name, grammar.Word)
	c.Match(path+"/suffix", v.Suffix, grammar.Suffix)
	if c.Some(path+"/layers", len(v.Layers), few) {
		for i := range v.Layers {
			c.layer(strictyaml.At(path+"/layers", i), v, i)
		}
	}
	c.UniqueNames(path+"/layers", names(v.Layers, func(l Layer) string { return l.Name }))
	c.config(path+"/config", v.Config)
	if c.d.Versions.Debian != "" && !slices.ContainsFunc(v.Layers, func(l Layer) bool { return l.Debian != nil }) {
		c.Add(path+"/layers", "versions come from a Debian package, but no layer is of Debian packages", "add a debian layer, or leave versions.debian out")
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
		if c.Bad(strictyaml.At("/variants", i)) || c.Bad(strictyaml.At("/variants", i)+"/suffix") {
			continue
		}
	tags:
		for _, s := range c.d.Versions.Series {
			for _, tag := range v.Tags(tags[s]) {
				first, taken := owner[tag]
				if taken && first != i {
					path := strictyaml.At("/variants", i)
					if c.Written(path + "/suffix") {
						path += "/suffix"
					}
					c.Add(path, fmt.Sprintf("the variants %s and %s both have the tag %s:%s", c.d.Variants[first].Name, v.Name, c.d.Name, tag), "give one of them another suffix")
					break tags
				}
				owner[tag] = i
			}
		}
	}
}

// How many items lists may have. What is beyond is no definition that people
// write, and would make comparing each with each slow.
const (
	few  = 100
	many = 4_000
)

// archPlaceholders are those that stand for something before a version is chosen.
var archPlaceholders = []string{"arch", "npmarch"}

// placeholders reports placeholders other than those allowed.
func (c checker) placeholders(path, value string, allowed []string) {
	if !c.Has(path) {
		return
	}
	if what, do := checkPlaceholders(value, allowed); what != "" {
		c.Add(path, what, do)
	}
}

func names[T any](items []T, name func(T) string) []string {
	out := make([]string, len(items))
	for i, item := range items {
		out[i] = name(item)
	}
	return out
}
