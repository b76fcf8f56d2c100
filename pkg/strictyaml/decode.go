package strictyaml

import (
	"cmp"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// decoder fills a value from YAML nodes by the json tags of its type: a field
// without omitempty must be written. It takes the plain part of YAML only, so
// that what a reviewer reads is what is built: no anchors, aliases, merge keys
// and tags, and no guessing of types.
type decoder struct {
	*Report
	reference string // what the file has where the value came from elsewhere
}

// Choice is a value that is written as a list or as something else.
type Choice interface {
	// Form returns a pointer to what the value is read into.
	Form(list bool) any
}

// decode reads n, which is at path, into v.
func (d decoder) decode(n *yaml.Node, path string, v reflect.Value) {
	d.at[path] = place{n.Line, n.Column}
	if v.Type() == rawType {
		v.Set(reflect.ValueOf(Raw{n, path}))
		return
	}
	to := d.resolved(n, path)
	if to == nil {
		return
	}
	if to != n {
		d.reference, n = n.Value, to
	}
	if !d.plain(n, path) {
		return
	}
	if v.CanAddr() {
		if c, ok := v.Addr().Interface().(Choice); ok {
			d.decode(n, path, reflect.ValueOf(c.Form(n.Kind == yaml.SequenceNode)).Elem())
			return
		}
	}
	if n.Kind == yaml.ScalarNode && n.Tag == "" {
		n = typed(n, v.Kind())
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.decode(n, path, v.Elem())
	case reflect.Struct:
		if d.is(n, path, yaml.MappingNode, "", mappingOf(v.Type())) {
			d.structure(n, path, v)
		}
	case reflect.Map:
		if d.is(n, path, yaml.MappingNode, "", "a mapping, such as {key: value}") {
			d.mapping(n, path, v)
		}
	case reflect.Slice:
		if d.is(n, path, yaml.SequenceNode, "", "a list, such as [a, b]") {
			v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
			for i, item := range n.Content {
				d.decode(item, path+"/"+strconv.Itoa(i), v.Index(i))
			}
		}
	case reflect.String:
		d.text(n, path, v)
	case reflect.Bool:
		if d.is(n, path, yaml.ScalarNode, "!!bool", "true or false") {
			v.SetBool(strings.EqualFold(n.Value, "true"))
		}
	case reflect.Int:
		if d.is(n, path, yaml.ScalarNode, "!!int", "a whole number") {
			i, err := strconv.ParseInt(n.Value, 10, 32)
			if err != nil {
				d.fail(path, d.Last(path)+" is "+d.quoted(n), "use a decimal number below 2147483648")
			}
			v.SetInt(i)
		}
	case reflect.Float64:
		d.number(n, path, v)
	default:
		panic("strictyaml: no decoder for " + v.Type().String())
	}
}

// resolved is the node that n stands for, or nil where a problem was added.
func (d decoder) resolved(n *yaml.Node, path string) *yaml.Node {
	if d.resolve == nil || n.Kind != yaml.ScalarNode {
		return n
	}
	r, what, do := d.resolve(n)
	if what != "" {
		d.fail(path, d.Last(path)+" is "+what, do)
		return nil
	}
	return r
}

// typed gives a node that a reference stood for the type that is wanted of it.
func typed(n *yaml.Node, want reflect.Kind) *yaml.Node {
	c := *n
	if c.Tag = c.ShortTag(); want == reflect.String {
		c.Tag = "!!str"
	}
	return &c
}

// plain reports what of YAML is not allowed around a value.
func (d decoder) plain(n *yaml.Node, path string) bool {
	switch {
	case n.Kind == yaml.AliasNode:
		d.fail(path, "*"+n.Value+" is a YAML alias", "write the value out where it is used")
	case n.Anchor != "":
		d.fail(path, "&"+n.Anchor+" is a YAML anchor", "leave it out; aliases are not allowed here")
	case n.Style&yaml.TaggedStyle != 0:
		d.fail(path, n.Tag+" is a YAML tag", "leave it out; quotes make a string")
	default:
		return true
	}
	return false
}

// is reports a node of another kind or another tag than those wanted.
func (d decoder) is(n *yaml.Node, path string, kind yaml.Kind, tag, want string) bool {
	if n.Kind == kind && (tag == "" || n.Tag == tag) {
		return true
	}
	what := fmt.Sprintf("%s is %s", d.Last(path), d.kindOf(n))
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		what = d.Last(path) + " is empty"
	}
	d.fail(path, what, "use "+want)
	return false
}

// quoted is what the file has for a scalar.
func (d decoder) quoted(n *yaml.Node) string { return Quote(cmp.Or(d.reference, n.Value)) }

// number reads a number that need not be whole.
func (d decoder) number(n *yaml.Node, path string, v reflect.Value) {
	if n.Tag != "!!int" && !d.is(n, path, yaml.ScalarNode, "!!float", "a number") {
		return
	}
	f, err := strconv.ParseFloat(n.Value, 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		d.fail(path, d.Last(path)+" is "+d.quoted(n), "use a decimal number")
		return
	}
	v.SetFloat(f)
}

func (d decoder) text(n *yaml.Node, path string, v reflect.Value) {
	switch {
	case d.reference != "" && plainly(n):
		v.SetString(n.Value) // what is referred to need not be a string
		return
	case v.Type() != textType || n.Kind != yaml.ScalarNode || n.Tag == "!!str" || n.Tag == "!!null":
	case plainly(n):
		v.SetString(n.Value)
		return
	default:
		// It may be a secret.
		d.fail(path, d.Last(path)+" is a number or a word that is not the same text to every tool", "put it in quotes")
		return
	}
	if n.Kind == yaml.ScalarNode && n.Tag != "!!str" && n.Tag != "!!null" {
		d.fail(path, fmt.Sprintf("%s is %s, not a string", d.Last(path), d.kindOf(n)), "put it in quotes: "+d.quoted(n))
		return
	}
	if !d.is(n, path, yaml.ScalarNode, "!!str", "a string") {
		return
	}
	if strings.ContainsRune(n.Value, 0) {
		d.fail(path, d.Last(path)+" has a NUL character in it", "take it out")
		return
	}
	v.SetString(n.Value)
}

// structure reads a mapping into a struct.
func (d decoder) structure(n *yaml.Node, path string, v reflect.Value) {
	fields, names, required := fieldsOf(v.Type())
	seen := d.pairs(n, path, func(key *yaml.Node, value *yaml.Node) {
		i, ok := fields[key.Value]
		if !ok {
			d.addAt(place{key.Line, key.Column}, "unknown key "+Quote(key.Value), Suggest(key.Value, names, "the keys here are %s", ", "))
			return
		}
		d.keys[path+"/"+key.Value] = place{key.Line, key.Column}
		d.decode(value, path+"/"+key.Value, v.Field(i))
	})
	for _, name := range required {
		if !seen[name] {
			d.Add(path, name+" is missing", fmt.Sprintf("add `%s: …` here", name))
		}
	}
}

// mapping reads a mapping into a map of strings.
func (d decoder) mapping(n *yaml.Node, path string, v reflect.Value) {
	v.Set(reflect.MakeMapWithSize(v.Type(), len(n.Content)/2))
	d.pairs(n, path, func(key, value *yaml.Node) {
		d.keys[path+"/"+key.Value] = place{key.Line, key.Column}
		item := reflect.New(v.Type().Elem()).Elem()
		d.decode(value, path+"/"+key.Value, item)
		v.SetMapIndex(reflect.ValueOf(key.Value), item)
	})
}

// pairs calls each for every pair whose key is a string that was not there
// before, and returns the keys.
func (d decoder) pairs(n *yaml.Node, path string, each func(key, value *yaml.Node)) map[string]bool {
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		at := place{key.Line, key.Column}
		switch {
		case key.Tag == "!!merge":
			d.addAt(at, "<< is a YAML merge key", "write the keys out where they are used")
		case key.Kind != yaml.ScalarNode || key.Tag != "!!str" || key.Anchor != "" || key.Style&yaml.TaggedStyle != 0:
			d.addAt(at, "the key is "+kindOf(key)+", not a plain string", "use a word, or put it in quotes")
		case seen[key.Value]:
			d.addAt(at, "the key "+Quote(key.Value)+" is there twice", "keep one of them")
		default:
			seen[key.Value] = true
			each(key, value)
		}
	}
	return seen
}

func (d decoder) fail(path, what, do string) {
	d.bad[path] = true
	d.Add(path, what, do)
}

// fieldsOf returns the fields of a struct by their json names, the names in
// order and the names of those that must be written.
func fieldsOf(t reflect.Type) (index map[string]int, names, required []string) {
	index = map[string]int{}
	for i := range t.NumField() {
		name, options, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if name == "-" {
			continue
		}
		index[name] = i
		names = append(names, name)
		if options != "omitempty" {
			required = append(required, name)
		}
	}
	return index, names, required
}

// mappingOf says how a mapping for the struct t begins.
func mappingOf(t reflect.Type) string {
	if _, _, required := fieldsOf(t); len(required) > 0 {
		return "a mapping with " + strings.Join(required, ", ")
	}
	return "a mapping; {} is an empty one"
}

// kindOf is what a value is, or the reference that it came from: that is what
// the file has, and the value may be a secret of the environment.
func (d decoder) kindOf(n *yaml.Node) string {
	if d.reference != "" && n.Kind == yaml.ScalarNode {
		return Quote(d.reference) + ", which is something else"
	}
	return kindOf(n)
}

func kindOf(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Kind == yaml.AliasNode:
		return "an alias"
	}
	switch n.Tag {
	case "!!null":
		return "nothing"
	case "!!int", "!!float":
		return "the number " + shorten(n.Value)
	case "!!bool":
		return "the boolean " + n.Value
	case "!!timestamp":
		return "the date " + n.Value
	}
	return Quote(n.Value)
}
