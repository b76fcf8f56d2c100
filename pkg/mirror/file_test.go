package mirror

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// FuzzFile: any imgbuild.yaml gives places with URLs, or an error that names it.
func FuzzFile(f *testing.F) {
	f.Add("mirrors:\n  debian: https://a.example/debian\n  go: https://a.example,direct\n")
	f.Add("mirrors: &a {npm: *a}\n")
	f.Add("bundles: [a.example/golang:bundle, ./golang.tar]\n")
	f.Add("---\n...\n---\n? [x]\n: !!str y\n")
	f.Fuzz(func(t *testing.T, s string) {
		c, err := parseFile([]byte(s), "imgbuild.yaml")
		if err != nil && !strings.HasPrefix(err.Error(), "imgbuild.yaml:") {
			t.Errorf("%v", err)
		}
		for archive, bases := range c.places {
			for _, b := range bases {
				if b.URL == "" || b.Archive != archive {
					t.Errorf("%s at %+v", archive, b)
				}
			}
		}
		for _, b := range c.bundles {
			if strings.TrimSpace(b.Ref) == "" || !strings.HasPrefix(b.From, "imgbuild.yaml:") {
				t.Errorf("%+v", b)
			}
		}
	})
}

func TestBundles(t *testing.T) {
	m := &machine{dir: "/work", environ: []string{BundleVariable + "=b.tar, c.example/go:bundle,"}}
	for text, want := range map[string]string{
		"bundles:\n  - d.example/golang:bundle\n  - ./e.tar\n": "",
		"bundles: ~\n":           "",
		"bundles: d.tar\n":       "imgbuild.yaml:1:10: bundles wants a list",
		"bundles:\n  - [a]\n":    "imgbuild.yaml:2:5: a bundle is a reference",
		"bundles:\n  - ''\n":     "imgbuild.yaml:2:5: a bundle is a reference",
		"bundles: []\nbundle: 1": "imgbuild.yaml:2:1: unknown key",
	} {
		file := filepath.Join(t.TempDir(), "imgbuild.yaml")
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		mirrors, err := New(Options{File: file, Bundles: []string{"a.tar"}, machine: m})
		if want != "" {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q: %v, want %q", text, err, want)
			}
			continue
		}
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		got := mirrors.Bundles()
		all := []Bundle{{"a.tar", "--bundle"}, {"b.tar", BundleVariable}, {"c.example/go:bundle", BundleVariable},
			{"d.example/golang:bundle", file + ":2"}, {"./e.tar", file + ":3"}}
		if strings.Contains(text, "~") {
			all = all[:3]
		}
		if !slices.Equal(got, all) {
			t.Errorf("%q gives %+v, want %+v", text, got, all)
		}
	}
}
