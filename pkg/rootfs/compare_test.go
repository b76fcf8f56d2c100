package rootfs_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// slimmed are the paths that slim images leave out.
var slimmed = regexp.MustCompile(`^usr/share/(doc|man|info|locale|lintian/overrides|linda)/`)

// blocks splits text into a set of n lines each.
func blocks(text string, n int) map[string]bool {
	m := map[string]bool{}
	for b := range slices.Chunk(strings.Split(strings.TrimSuffix(text, "\n"), "\n"), n) {
		m[strings.Join(b, "\n")] = true
	}
	return m
}

// firstDifference shows the first line in which two texts differ.
func firstDifference(a, b string) string {
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			return fmt.Sprintf("line %d: %q, then %q", i+1, x[i], y[i])
		}
	}
	return fmt.Sprintf("%d lines, then %d", len(x), len(y))
}
