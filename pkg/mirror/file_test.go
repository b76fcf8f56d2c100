package mirror

import (
	"strings"
	"testing"
)

// FuzzFile: any imgbuild.yaml gives places with URLs, or an error that names it.
func FuzzFile(f *testing.F) {
	f.Add("mirrors:\n  debian: https://a.example/debian\n  go: https://a.example,direct\n")
	f.Add("mirrors: &a {npm: *a}\n")
	f.Add("---\n...\n---\n? [x]\n: !!str y\n")
	f.Fuzz(func(t *testing.T, s string) {
		places, err := parseFile([]byte(s), "imgbuild.yaml")
		if err != nil && !strings.HasPrefix(err.Error(), "imgbuild.yaml:") {
			t.Errorf("%v", err)
		}
		for archive, bases := range places {
			for _, b := range bases {
				if b.URL == "" || b.Archive != archive {
					t.Errorf("%s at %+v", archive, b)
				}
			}
		}
	})
}
