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
	configurations, definitions, releases := 0, 0, 0
	for _, p := range pages(t) {
		for _, b := range p.blocks {
			if b.lang != "yaml" {
				continue
			}
			text := dedent(b.text)
			switch {
			case strings.HasPrefix(text, "mirrors:"):
				configurations++
				file := write(t, mirror.File, text)
				if _, err := mirror.New(mirror.Options{File: file}); err != nil {
					t.Errorf("%s:%d: %v", p.path, b.line, err)
				}
			case strings.Contains(text, "destinations:"):
				releases++
				if _, err := release.ReadFile(write(t, release.FileName, text)); err != nil {
					t.Errorf("%s:%d: %v", p.path, b.line, err)
				}
			case strings.Contains(text, "variants:"):
				definitions++
				if _, err := definition.Load(write(t, "image.yaml", text)); err != nil {
					t.Errorf("%s:%d: %v", p.path, b.line, err)
				}
			case strings.HasPrefix(text, "debian:"):
				definitions++
				whole := head + "        " + strings.ReplaceAll(text, "\n", "\n        ") + "\n" + tail
				if _, err := definition.Load(write(t, "image.yaml", whole)); err != nil {
					t.Errorf("%s:%d: %v", p.path, b.line, err)
				}
			default:
				t.Errorf("%s:%d: the test does not know what this YAML is", p.path, b.line)
			}
		}
	}
	if configurations < 3 || definitions < 2 || releases < 1 {
		t.Errorf("%d configurations, %d definitions and %d releases; the docs have more", configurations, definitions, releases)
	}
}

// dedent takes away the indentation that a block in a list has.
func dedent(text string) string {
	first := len(text) - len(strings.TrimLeft(text, " "))
	indent := text[:first]
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimPrefix(lines[i], indent)
	}
	return strings.Join(lines, "\n")
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
	for _, b := range p.blocks {
		code.WriteString(b.text + "\n")
	}
	for _, s := range p.spans {
		code.WriteString(s.text + "\n")
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
