package schema

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	validator "github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

const schemaFile = "../../../images/image.schema.json"

func TestTheSchemaFileIsUpToDate(t *testing.T) {
	want, err := Generate()
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("run `go generate ./pkg/definition/schema`: %s", d)
	}
}

func compile(t *testing.T) *validator.Schema {
	t.Helper()
	data, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := validator.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	c := validator.NewCompiler()
	c.DefaultDraft(validator.Draft4) // so that only what $schema says makes it 2020-12
	if err := c.AddResource("image.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("image.schema.json")
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

func TestDefinitionsKeepToTheSchema(t *testing.T) {
	s := compile(t)
	var paths []string
	for _, pattern := range []string{"../../../images/*/image.yaml", "../../../examples/*/image.yaml", "../testdata/*.yaml"} {
		found, _ := filepath.Glob(pattern)
		if len(found) == 0 {
			t.Errorf("nothing at %s", pattern)
		}
		paths = append(paths, found...)
	}
	for _, path := range paths {
		if err := validate(t, s, path); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// What the parser refuses the schema refuses too, but for what a schema can
// not say.
func TestBadDefinitionsBreakTheSchema(t *testing.T) {
	beyond := map[string]bool{
		"placeholders.yaml":   true, // which names are known, in any text
		"tags.yaml":           true, // tags that follow from several fields
		"tags-of-series.yaml": true,
		"yaml.yaml":           false,
	}
	s := compile(t)
	paths, _ := filepath.Glob("../testdata/bad/*.yaml")
	if len(paths) == 0 {
		t.Fatal("no bad definitions")
	}
	for _, path := range paths {
		if err := validate(t, s, path); (err == nil) != beyond[filepath.Base(path)] {
			t.Errorf("%s: %v", path, err)
		}
	}
}
