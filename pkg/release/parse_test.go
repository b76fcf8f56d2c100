package release

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/imgbuild/imgbuild/pkg/strictyaml"
)

var update = flag.Bool("update", false, "write golden files anew")

func TestParse(t *testing.T) {
	no := false
	for name, want := range map[string]*Config{
		"small": {
			Name: "base images", Images: []Images{{Definition: "golang", Platforms: []string{"linux/amd64"}}},
			Destinations: Destinations{Registries: []string{"registry.example.com/team"}},
			Immutable:    "versions", SBOM: "spdx", Report: "release.json",
		},
		"whole": {
			Name: "base-images",
			Images: []Images{
				{Definition: "golang", All: true, Variants: []string{"full"}, Platforms: []string{"linux/amd64", "linux/arm64"}},
				{Definition: "./ruby/image.yaml", Versions: []string{"3.3"}, Platforms: []string{"linux/amd64"}},
			},
			Destinations: Destinations{
				Registries: []string{"embedded", "registry.example.com:8443/team"},
				Regions:    []string{"cn-hangzhou", "cn-shanghai"}, Namespace: "team", Instances: []string{"crpi-abc123", "acme"},
			},
			Immutable: "all", Sign: &Sign{Key: "env:SIGNING_KEY"}, SBOM: "both", Prove: Prove{Platforms: []string{"linux/amd64"}},
			Bundle: true, Catalogue: "dist/page", Report: "dist/release.json",
		},
	} {
		got, err := ReadFile(filepath.Join("testdata", name+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	c, err := Parse("x", []byte("name: a\nimages: [{definition: golang}]\ndestinations: {registries: [embedded]}\nprove: false\n"))
	if err != nil || !c.Prove.Off() || *c.Prove.Wanted != no {
		t.Errorf("prove: false is %+v: %v", c, err)
	}
}

// All that is wrong is said at once, with its place and what to do.
func TestBad(t *testing.T) {
	paths, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(paths) < 7 {
		t.Fatalf("%d files: %v", len(paths), err)
	}
	for _, path := range paths {
		_, err := ReadFile(path)
		if _, ok := errors.AsType[strictyaml.Problems](err); !ok {
			t.Errorf("%s: %v", path, err)
			continue
		}
		golden := strings.TrimSuffix(path, ".yaml") + ".golden"
		if *update {
			if err := os.WriteFile(golden, []byte(err.Error()+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, e := os.ReadFile(golden)
		if e != nil {
			t.Fatal(e)
		}
		if d := cmp.Diff(string(want), err.Error()+"\n"); d != "" {
			t.Errorf("%s: %s", path, d)
		}
	}
}

func TestReadFileFails(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]string{
		filepath.Join(dir, "missing.yaml"): "there is no",
		dir:                                "is a folder",
		"/dev/null":                        "not a regular file",
	} {
		if _, err := ReadFile(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
	long := filepath.Join(dir, "long.yaml")
	if err := os.WriteFile(long, make([]byte, MaxSize+1), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadFile(long); err == nil || !strings.Contains(err.Error(), "keep it under") {
		t.Errorf("%v", err)
	}
}

func TestSelectFails(t *testing.T) {
	for text, want := range map[string]string{
		"{definition: golang, versions: ['9.9']}":                      `golang has no version "9.9"`,
		"{definition: golang, variants: [slmi]}":                       "did you mean slim?",
		"{definition: ./nowhere}":                                      "there is no definition at ./testdata/nowhere",
		"{definition: golang}, {definition: golang, variants: [slim]}": "is in the release twice",
	} {
		c, err := Parse("release.yaml", []byte("name: a\nimages: ["+text+"]\ndestinations: {registries: [embedded]}\n"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Select("testdata", c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func TestSelect(t *testing.T) {
	for text, want := range map[string]int{
		"{definition: golang}":                                 2, // newest, full and slim
		"{definition: golang, all: true, variants: [slim]}":    2,
		"{definition: golang, all: true}":                      4,
		"{definition: golang, versions: ['1.27', '1.26']}":     4,
		"{definition: golang}, {definition: node, all: true}":  8,
		"{definition: ../../../images/golang, versions: [b1]}": -1,
	} {
		c, err := Parse("release.yaml", []byte("name: a\nimages: ["+text+"]\ndestinations: {registries: [embedded]}\n"))
		if err != nil {
			t.Fatal(err)
		}
		items, err := Select("testdata", c)
		if want < 0 != (err != nil) || err == nil && len(items) != want {
			t.Errorf("%s: %d images, want %d: %v", text, len(items), want, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/*.yaml", "testdata/bad/*.yaml"} {
		paths, _ := filepath.Glob(pattern)
		for _, p := range paths {
			data, err := os.ReadFile(p)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse("release.yaml", data)
		if err != nil {
			if _, ok := errors.AsType[strictyaml.Problems](err); !ok {
				t.Errorf("%T: %v", err, err)
			}
			return
		}
		if _, err := c.Destinations.Parse(); err != nil {
			t.Errorf("destinations that were checked: %v", err)
		}
		if len(c.Images) == 0 || c.Report == "" || c.Immutable == "" || c.SBOM == "" {
			t.Errorf("accepted %+v", c)
		}
	})
}
