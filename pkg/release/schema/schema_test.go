package schema

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	validator "github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/imgbuild/imgbuild/pkg/release"
)

func TestTheSchemaFileIsUpToDate(t *testing.T) {
	want, err := Generate()
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(release.Schema)); d != "" {
		t.Errorf("run `go generate ./pkg/release/schema`: %s", d)
	}
}

func compile(t *testing.T) *validator.Schema {
	t.Helper()
	doc, err := validator.UnmarshalJSON(bytes.NewReader(release.Schema))
	if err != nil {
		t.Fatal(err)
	}
	c := validator.NewCompiler()
	c.DefaultDraft(validator.Draft4) // so that only what $schema says makes it 2020-12
	if err := c.AddResource("release.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("release.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if s.DraftVersion != 2020 {
		t.Fatalf("the schema is of draft %d", s.DraftVersion)
	}
	return s
}

func validate(t *testing.T, s *validator.Schema, path string) error {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var doc any
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return err
	}
	return s.Validate(doc)
}

func files(t *testing.T, pattern string, least int) []string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) < least {
		t.Fatalf("%s: %d files: %v", pattern, len(paths), err)
	}
	return paths
}

func TestReleasesKeepToTheSchema(t *testing.T) {
	s := compile(t)
	for _, path := range append(files(t, "../testdata/*.yaml", 2), files(t, "../../../examples/*/release.yaml", 1)...) {
		if err := validate(t, s, path); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if _, err := release.ReadFile(path); err != nil {
			t.Error(err)
		}
	}
}

// What the parser refuses the schema refuses too, but for what a schema can
// not say.
func TestBadReleasesBreakTheSchema(t *testing.T) {
	beyond := map[string]bool{}
	s := compile(t)
	for _, path := range files(t, "../testdata/bad/*.yaml", 7) {
		if err := validate(t, s, path); (err == nil) != beyond[filepath.Base(path)] {
			t.Errorf("%s: %v", path, err)
		}
	}
}
