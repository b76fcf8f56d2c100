// Package schema makes the JSON Schema (draft 2020-12) of definitions, for
// editors and other tools. It says what the types and comments
// of package definition say, and the forms of words that its parser asks for;
// the parser finds more, such as two variants with the same tags.
package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/invopop/jsonschema"

	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/definition/internal/grammar"
)

//go:generate go run ./generate ../../../images/image.schema.json

// Generate returns the schema's file. It reads the comments of package
// definition from the source: the working directory is this package's.
func Generate() ([]byte, error) {
	r := &jsonschema.Reflector{Anonymous: true, ExpandedStruct: true}
	// The walk begins at .., which joined to this package's path is the parent.
	if err := r.AddGoComments(reflect.TypeOf(definition.Definition{}).PkgPath()+"/schema", "..", jsonschema.WithFullComment()); err != nil {
		return nil, fmt.Errorf("reading the comments of package definition: %w", err)
	}
	s := r.Reflect(&definition.Definition{})
	s.Title = "imgbuild image definition"
	if len(r.CommentMap) == 0 || s.Description == "" {
		return nil, fmt.Errorf("found no comments of package definition: run this in pkg/definition/schema")
	}
	types := map[string]*jsonschema.Schema{"Definition": s}
	for name, def := range s.Definitions {
		types[name] = def
	}
	if err := words(types); err != nil {
		return nil, err
	}
	shapes(types)
	for _, t := range types {
		unwrap(t)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(s); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// forms are the words of each field; [] stands for the items of a list.
var forms = map[string]*grammar.Rule{
	"Definition.name":        grammar.Name,
	"Definition.title":       grammar.Text,
	"Definition.description": grammar.Text,
	"Versions.npm":           grammar.NPMPackage,
	"Versions.debian":        grammar.DebianPackage,
	"Versions.series[]":      grammar.Series,
	"Variant.name":           grammar.Word,
	"Variant.suffix":         grammar.Suffix,
	"Layer.name":             grammar.Word,
	"DebianLayer.suite":      grammar.Suite,
	"DebianLayer.packages[]": grammar.DebianPackage,
	"AcceptedScript.package": grammar.DebianPackage,
	"AcceptedScript.script":  grammar.Script,
	"AcceptedScript.sha256":  grammar.SHA256,
	"AcceptedScript.reason":  grammar.Text,
	"NPMPackage.package":     grammar.NPMPackage,
	"NPMPackage.version":     grammar.NPMVersion,
	"NPMPackage.to":          grammar.Path,
	"File.path":              grammar.Path,
	"File.link":              grammar.Text,
	"File.mode":              grammar.Mode,
	"Config.workingDir":      grammar.Path,
	"Config.user":            grammar.User,
	"Config.stopSignal":      grammar.Signal,
	"EnvVar.name":            grammar.EnvName,
}

func words(types map[string]*jsonschema.Schema) error {
	for field, rule := range forms {
		typ, name, _ := strings.Cut(field, ".")
		key, isList := strings.CutSuffix(name, "[]")
		var p *jsonschema.Schema
		if t := types[typ]; t != nil {
			p, _ = t.Properties.Get(key)
		}
		if p != nil && isList {
			p = p.Items
		}
		if p == nil || p.Type != "string" {
			return fmt.Errorf("there is no string %s", field)
		}
		p.Pattern = rule.Pattern
	}
	return nil
}

// shapes says what the types alone do not: how many, and which together.
func shapes(types map[string]*jsonschema.Schema) {
	one := uint64(1)
	list := func(typ, key string, unique bool) *jsonschema.Schema {
		p, _ := types[typ].Properties.Get(key)
		p.MinItems, p.UniqueItems = &one, unique
		return p
	}
	platforms := list("Definition", "platforms", true)
	for _, p := range grammar.Platforms {
		platforms.Items.Enum = append(platforms.Items.Enum, p)
	}
	list("Definition", "variants", false)
	list("Versions", "series", true)
	list("Variant", "layers", false)
	list("NPMLayer", "packages", false)
	list("Layer", "files", false)
	types["Layer"].OneOf = requireOne("debian", "go", "npm", "image", "files", "run", "shim")
	types["File"].OneOf = requireOne("source", "content", "link", "dir")
	debian := types["DebianLayer"]
	packages := &jsonschema.Schema{Properties: jsonschema.NewProperties()}
	packages.Properties.Set("packages", &jsonschema.Schema{MinItems: &one})
	essential := &jsonschema.Schema{Properties: jsonschema.NewProperties(), Required: []string{"essential"}}
	essential.Properties.Set("essential", &jsonschema.Schema{Const: true})
	debian.AnyOf = []*jsonschema.Schema{packages, essential}
	ports, _ := types["Config"].Properties.Get("ports")
	ports.UniqueItems = true
	ports.Items.Minimum, ports.Items.Maximum = "1", "65535"
	for _, key := range []string{"uid", "gid"} {
		id, _ := types["File"].Properties.Get(key)
		id.Minimum = "0"
	}
}

func requireOne(keys ...string) []*jsonschema.Schema {
	var out []*jsonschema.Schema
	for _, key := range keys {
		out = append(out, &jsonschema.Schema{Required: []string{key}})
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
