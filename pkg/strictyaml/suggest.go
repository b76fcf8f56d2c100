package strictyaml

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// Near returns the candidates that look like got, the nearest first and at
// most three.
func Near(got string, candidates []string) []string {
	type near struct {
		text     string
		distance int
	}
	var found []near
	for _, c := range candidates {
		// A third of the letters may differ; more is no typing error. Two
		// letters the wrong way round count as two.
		d := levenshtein.ComputeDistance(strings.ToLower(got), strings.ToLower(c))
		if d <= (min(len(got), len(c))+2)/3 {
			found = append(found, near{c, d})
		}
	}
	slices.SortStableFunc(found, func(a, b near) int { return cmp.Compare(a.distance, b.distance) })
	var out []string
	for _, n := range found[:min(len(found), 3)] {
		out = append(out, n.text)
	}
	return out
}

// Suggest is the advice for a word that is none of candidates: the nearest
// one, else all of them, joined by sep in the place of %s in all.
func Suggest(got string, candidates []string, all, sep string) string {
	if near := Near(got, candidates); len(near) > 0 {
		return fmt.Sprintf("did you mean %q?", near[0])
	}
	return fmt.Sprintf(all, strings.Join(candidates, sep))
}
