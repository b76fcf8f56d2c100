package template

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/imgbuild/imgbuild/pkg/strictyaml"
)

// projectTemplate is a s.yaml of Serverless Devs: of edition 1.0.0 with
// services, of edition 3.0.0 with resources.
type projectTemplate struct {
	Edition   strictyaml.Raw            `json:"edition,omitempty"`
	Name      strictyaml.Raw            `json:"name,omitempty"`
	Access    strictyaml.Raw            `json:"access,omitempty"`
	Vars      strictyaml.Raw            `json:"vars,omitempty"`
	Services  map[string]strictyaml.Raw `json:"services,omitempty"`
	Resources map[string]strictyaml.Raw `json:"resources,omitempty"`
	Extend    strictyaml.Raw            `json:"extend,omitempty"`
	Template  strictyaml.Raw            `json:"template,omitempty"`
	Flow      strictyaml.Raw            `json:"flow,omitempty"`
	UseFlow   strictyaml.Raw            `json:"useFlow,omitempty"`
	Env       strictyaml.Raw            `json:"env,omitempty"`
	Actions   strictyaml.Raw            `json:"actions,omitempty"`
	Plugins   strictyaml.Raw            `json:"plugins,omitempty"`
}

// module is one resource of a s.yaml.
type module struct {
	Component strictyaml.Raw `json:"component"`
	Props     strictyaml.Raw `json:"props,omitempty"`
	Actions   strictyaml.Raw `json:"actions,omitempty"`
	Access    strictyaml.Raw `json:"access,omitempty"`
	Extend    strictyaml.Raw `json:"extend,omitempty"`
	Source    strictyaml.Raw `json:"source,omitempty"`
	Provider  strictyaml.Raw `json:"provider,omitempty"`
	Flow      strictyaml.Raw `json:"flow,omitempty"`
}

// project reads a s.yaml.
func (r *reader) project(kind strictyaml.Kind, data []byte) {
	var t projectTemplate
	var ok bool
	if r.Report, ok = strictyaml.Decode(kind, r.source, data, &t); !ok {
		return
	}
	if !r.Written("/services") && !r.Written("/resources") {
		r.Add("", "resources is missing", "add `resources: …` with a module of the component fc3")
		return
	}
	left := mostInAll
	refs := references{vars: t.Vars.Node, modules: map[string]*yaml.Node{}, left: &left}
	modules := map[string]strictyaml.Raw{}
	maps.Copy(modules, t.Services)
	maps.Copy(modules, t.Resources)
	for name, v := range modules {
		refs.modules[name] = v.Node
	}
	for _, name := range inOrder(modules) {
		v := modules[name]
		here := refs
		here.this = v.Node
		r.Resolve(here.resolve)
		r.module(v, t.Template.Node)
	}
	if len(r.functions) == 0 && r.Err() == nil {
		var components []string
		for _, name := range inOrder(modules) {
			if c := child(modules[name].Node, "component"); c != nil {
				components = append(components, strictyaml.Quote(c.Value))
			}
		}
		what := "there is no function in it"
		if len(components) > 0 {
			what += ", as its components are " + strings.Join(components, ", ")
		}
		at := "/resources"
		if !r.Written(at) {
			at = "/services"
		}
		r.Add(at, what, "add a module with `component: fc3`")
	}
}

func (r *reader) module(v strictyaml.Raw, templates *yaml.Node) {
	var m module
	if r.Read(v, &m); !r.Has(v.Path()) || m.Component.Node == nil {
		return
	}
	component := componentOf(m)
	if component == "" {
		return
	}
	if m.Extend.Node != nil && m.Props.Node != nil {
		m.Props = r.extended(m, templates)
	}
	switch {
	case m.Props.Node == nil:
		r.Add(v.Path(), "props is missing", "add `props: …` with the function")
	case component == "fc":
		r.fc(m.Props)
	default:
		r.fc3(m.Props)
	}
}

// extended are the props of a module over those of the template that it
// extends.
func (r *reader) extended(m module, templates *yaml.Node) strictyaml.Raw {
	var extend struct {
		Name string `json:"name"`
	}
	if r.Read(m.Extend, &extend); !r.Has(m.Extend.Path() + "/name") {
		return m.Props
	}
	below := child(templates, extend.Name)
	if below == nil {
		r.Add(m.Extend.Path()+"/name", "there is no template "+strictyaml.Quote(extend.Name), suggest(extend.Name, keysOf(templates), "the templates are"))
		return m.Props
	}
	return m.Props.With(over(m.Props.Node, below))
}

// over is a mapping with what another has besides. Mappings in both become one;
// of all else that of the first stays.
func over(n, below *yaml.Node) *yaml.Node {
	if n.Kind != yaml.MappingNode || below.Kind != yaml.MappingNode {
		return n
	}
	merged := *n
	merged.Content = slices.Clone(n.Content)
	places := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		places[n.Content[i].Value] = i + 1
	}
	for i := 0; i+1 < len(below.Content); i += 2 {
		key, value := below.Content[i], below.Content[i+1]
		at, ok := places[key.Value]
		if !ok {
			merged.Content = append(merged.Content, key, value)
			continue
		}
		merged.Content[at] = over(n.Content[at], value)
	}
	return &merged
}

// componentOf is fc or fc3, or "" where the module is something else. A
// component that is a folder or an expression is known by its props.
func componentOf(m module) string {
	text := m.Component.Text()
	name, _, _ := strings.Cut(text[strings.LastIndexByte(text, '/')+1:], "@")
	switch name {
	case "fc", "fc3":
		return name
	case "fc-deploy", "fc3-deploy":
		return strings.TrimSuffix(name, "-deploy")
	}
	if !strings.Contains(text, "${") && !strings.HasPrefix(text, ".") {
		return ""
	}
	switch {
	case child(m.Props.Node, "functionName") != nil:
		return "fc3"
	case child(m.Props.Node, "function") != nil:
		return "fc"
	}
	return ""
}

// child is the value of a key of a mapping, or nil.
func child(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// keysOf are the keys of a mapping.
func keysOf(n *yaml.Node) (keys []string) {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		keys = append(keys, n.Content[i].Value)
	}
	return keys
}

// inOrder are the keys of a mapping as the file has them.
func inOrder(m map[string]strictyaml.Raw) []string {
	return slices.SortedFunc(maps.Keys(m), func(a, b string) int {
		x, y := m[a].Node, m[b].Node
		return cmp.Or(cmp.Compare(x.Line, y.Line), cmp.Compare(x.Column, y.Column))
	})
}

// policies are the names in a list of policies, or in the place of one.
func policies(v strictyaml.Raw) (names []string) {
	switch n := v.Node; {
	case n == nil:
	case n.Kind == yaml.ScalarNode && n.Value != "":
		names = []string{n.Value}
	case n.Kind == yaml.SequenceNode:
		for _, item := range n.Content {
			if item.Kind == yaml.ScalarNode {
				names = append(names, item.Value)
			}
		}
	}
	return names
}
