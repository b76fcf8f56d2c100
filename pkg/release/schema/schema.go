// Package schema makes the JSON Schema (draft 2020-12) of release.yaml, for
// editors and other tools. It says what the types and comments of package
// release say; the parser finds more, such as a region that does not exist.
package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/invopop/jsonschema"

	"github.com/imgbuild/imgbuild/pkg/release"
)

//go:generate go run ./generate ../release.schema.json

// Generate returns the schema's file. It reads the comments of package release
// from the source: the working directory is this package's.
func Generate() ([]byte, error) {
	r := &jsonschema.Reflector{Anonymous: true, ExpandedStruct: true}
	// The walk begins at .., which joined to this package's path is the parent.
	if err := r.AddGoComments(reflect.TypeOf(release.Config{}).PkgPath()+"/schema", "..", jsonschema.WithFullComment()); err != nil {
		return nil, fmt.Errorf("reading the comments of package release: %w", err)
	}
	s := r.Reflect(&release.Config{})
	s.Title = "imgbuild release"
	if len(r.CommentMap) == 0 || s.Description == "" {
		return nil, errors.New("found no comments of package release: run this in pkg/release/schema")
	}
	types := map[string]*jsonschema.Schema{"Config": s}
	for name, def := range s.Definitions {
		types[name] = def
	}
	if err := shapes(types); err != nil {
		return nil, err
	}
	for _, t := range types {
		unwrap(t)
	}
	delete(s.Definitions, "Prove")
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(s); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// shapes says what the types alone do not: words, how many, which together.
func shapes(types map[string]*jsonschema.Schema) error {
	one := uint64(1)
	get := func(field string) (*jsonschema.Schema, error) {
		typ, key, _ := strings.Cut(field, ".")
		if t := types[typ]; t != nil {
			if p, ok := t.Properties.Get(key); ok {
				return p, nil
			}
		}
		return nil, fmt.Errorf("there is no %s", field)
	}
	for _, field := range []string{"Config.images", "Images.versions", "Images.variants", "Images.platforms", "Destinations.registries", "Destinations.regions"} {
		p, err := get(field)
		if err != nil {
			return err
		}
		p.MinItems, p.UniqueItems = &one, field != "Config.images"
	}
	for field, words := range map[string][]string{
		"Config.immutable": release.Immutables, "Config.sbom": release.SBOMs,
	} {
		p, err := get(field)
		if err != nil {
			return err
		}
		p.Enum = list(words)
	}
	for field, pattern := range map[string]string{
		"Config.name": release.NamePattern, "Config.catalogue": someText, "Config.report": someText, "Sign.key": someText,
	} {
		p, err := get(field)
		if err != nil {
			return err
		}
		p.Pattern = pattern
	}
	platforms, err := get("Images.platforms")
	if err != nil {
		return err
	}
	platforms.Items.Enum = list(release.Platforms)
	prove, err := get("Config.prove")
	if err != nil {
		return err
	}
	prove.Ref = ""
	prove.OneOf = []*jsonschema.Schema{
		{Type: "boolean"},
		{Type: "array", MinItems: &one, UniqueItems: true, Items: &jsonschema.Schema{Type: "string", Enum: list(release.Platforms)}},
	}
	types["Images"].Not = &jsonschema.Schema{Required: []string{"versions", "all"}}
	types["Destinations"].AnyOf = []*jsonschema.Schema{{Required: []string{"registries"}}, {Required: []string{"regions"}}}
	types["Destinations"].DependentRequired = map[string][]string{
		"regions": {"namespace"}, "namespace": {"regions"}, "instances": {"regions"},
	}
	return nil
}

const someText = `[^ \t\r\n]`

func list(words []string) (out []any) {
	for _, w := range words {
		out = append(out, w)
	}
	return out
}

// unwrap puts the comments' lines together: editors wrap them anew.
func unwrap(t *jsonschema.Schema) {
	t.Description = strings.ReplaceAll(t.Description, "\n", " ")
	for p := t.Properties.Oldest(); p != nil; p = p.Next() {
		p.Value.Description = strings.ReplaceAll(p.Value.Description, "\n", " ")
	}
}
