package strictyaml

import (
	"reflect"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// Raw is a value that is read when it is known what it has to be, or never.
// Until then everything in it is allowed.
type Raw struct {
	Node *yaml.Node // nil: not written
	path string
}

var rawType = reflect.TypeFor[Raw]()

// With is the value with another node in its place.
func (v Raw) With(n *yaml.Node) Raw { return Raw{n, v.path} }

// Path is the path of the value in the file.
func (v Raw) Path() string { return v.path }

// Text is the value as it is written, where it is a scalar.
func (v Raw) Text() string {
	if v.Node == nil || v.Node.Kind != yaml.ScalarNode || v.Node.Tag == "!!null" {
		return ""
	}
	return v.Node.Value
}

// Read reads the value into what into points to, as Decode does with a file.
// It does nothing where the value is not written.
func (r *Report) Read(v Raw, into any) {
	if v.Node != nil {
		decoder{Report: r}.decode(v.Node, v.path, reflect.ValueOf(into).Elem())
	}
}

// Resolve sets what is asked for each scalar before it is read: the node whose
// value it stands for, or what is wrong with it and what to do. Where values
// refer to others of the file, this is how the references are followed. A node
// without a Tag is a string or a number as it is wanted.
func (r *Report) Resolve(f func(n *yaml.Node) (resolved *yaml.Node, what, do string)) { r.resolve = f }

// Line is the line of the key at path, or of the value where it has no key; 0
// where the file has none.
func (r *Report) Line(path string) int {
	if p, ok := r.keys[path]; ok {
		return p.line
	}
	return r.at[path].line
}

// Text is a string that may also be written as a whole number, or as true or
// false, without quotes: every tool takes these in the same way.
type Text string

var textType = reflect.TypeFor[Text]()

// plainly says whether every tool makes the same text of a value that is not
// in quotes.
func plainly(n *yaml.Node) bool {
	switch n.Tag {
	case "!!bool":
		return n.Value == "true" || n.Value == "false"
	case "!!int":
		i, err := strconv.ParseInt(n.Value, 10, 53)
		return err == nil && strconv.FormatInt(i, 10) == n.Value
	}
	return false
}
