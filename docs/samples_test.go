package docs_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/imgbuild/imgbuild/images"
	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/mirror"
	"github.com/imgbuild/imgbuild/pkg/release"
	"github.com/imgbuild/imgbuild/pkg/scaffold"
	"github.com/imgbuild/imgbuild/pkg/template"
)

// A definition around one layer.
const (
	head = `name: sample
versions: {series: ["1"]}
platforms: [linux/amd64]
variants:
  - name: full
    layers:
      - name: os
`
	tail = `      - name: shim
        shim: {}
    config: {entrypoint: [/usr/local/bin/shim]}
`
)

// What the docs show of imgbuild.yaml and image.yaml is accepted by what reads
// these files.
func TestSamples(t *testing.T) {
	configurations, definitions, releases, templates := 0, 0, 0, 0
	for _, p := range pages(t) {
		for _, b := range p.Blocks {
			if b.Lang != "yaml" {
				continue
			}
			text := b.Text
			switch {
			case strings.HasPrefix(text, "mirrors:"):
				configurations++
				file := write(t, mirror.File, text)
				if _, err := mirror.New(mirror.Options{File: file}); err != nil {
					t.Errorf("%s:%d: %v", p.path, b.Line, err)
				}
			case strings.HasPrefix(text, "edition:"), strings.HasPrefix(text, "ROSTemplateFormatVersion:"):
				templates++
				functions, err := template.Load(write(t, "template.yaml", text))
				if err != nil {
					t.Errorf("%s:%d: %v", p.path, b.Line, err)
				}
				for _, f := range functions {
					if found := template.Lint(f); len(found) > 0 {
						t.Errorf("%s:%d: %v", p.path, b.Line, found)
					}
				}
			case strings.Contains(text, "destinations:"):
				releases++
				if _, err := release.ReadFile(write(t, release.FileName, text)); err != nil {
					t.Errorf("%s:%d: %v", p.path, b.Line, err)
				}
			case strings.Contains(text, "variants:"):
				definitions++
				if _, err := definition.Load(write(t, "image.yaml", text)); err != nil {
					t.Errorf("%s:%d: %v", p.path, b.Line, err)
				}
			case strings.HasPrefix(text, "debian:"):
				definitions++
				whole := head + "        " + strings.ReplaceAll(text, "\n", "\n        ") + "\n" + tail
				if _, err := definition.Load(write(t, "image.yaml", whole)); err != nil {
					t.Errorf("%s:%d: %v", p.path, b.Line, err)
				}
			default:
				t.Errorf("%s:%d: the test does not know what this YAML is", p.path, b.Line)
			}
		}
	}
	if configurations < 3 || definitions < 2 || releases < 1 || templates < 2 {
		t.Errorf("%d configurations, %d definitions, %d releases and %d templates; the docs have more", configurations, definitions, releases, templates)
	}
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// Every key that a definition or a release may have is in its page, as code.
func TestKeys(t *testing.T) {
	keysOf(t, images.Schema, 30, "docs/definition.md")
	keysOf(t, release.Schema, 15, "docs/release.md")
}

// Every rule for templates, and every function to begin with, is in its page.
func TestRulesAndFunctions(t *testing.T) {
	code := func(page string) map[string]bool {
		words := map[string]bool{}
		for _, s := range read(t, page).Spans {
			words[s.Text] = true
		}
		return words
	}
	rules, functions := code("docs/template.md"), code("docs/init.md")
	for rule := range template.Rules {
		if !rules[rule] {
			t.Errorf("docs/template.md does not say what the rule %s is", rule)
		}
	}
	for _, s := range scaffold.Templates("") {
		if !functions[s.Name] {
			t.Errorf("docs/init.md does not say what the template %s is", s.Name)
		}
	}
}

func keysOf(t *testing.T, file []byte, least int, page string) {
	t.Helper()
	var schema any
	if err := json.Unmarshal(file, &schema); err != nil {
		t.Fatal(err)
	}
	keys := map[string]bool{}
	propertyNames(schema, keys)
	if len(keys) < least {
		t.Fatalf("the schema has %d keys; %s has more", len(keys), page)
	}
	p := read(t, page)
	var code strings.Builder
	for _, b := range p.Blocks {
		code.WriteString(b.Text + "\n")
	}
	for _, s := range p.Spans {
		code.WriteString(s.Text + "\n")
	}
	for key := range keys {
		if !regexp.MustCompile(`\b` + regexp.QuoteMeta(key) + `\b`).MatchString(code.String()) {
			t.Errorf("%s does not say what the key %s is", page, key)
		}
	}
}

// propertyNames collects the names of properties anywhere in a JSON Schema.
func propertyNames(v any, into map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		if properties, ok := v["properties"].(map[string]any); ok {
			for name := range properties {
				into[name] = true
			}
		}
		for _, child := range v {
			propertyNames(child, into)
		}
	case []any:
		for _, child := range v {
			propertyNames(child, into)
		}
	}
}
