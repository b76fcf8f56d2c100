package template

import (
	"fmt"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/imgbuild/imgbuild/pkg/strictyaml"
)

// references follows those of Serverless Devs: ${vars.x}, ${env(X)},
// ${env(X, default)}, ${resources.NAME.props.x} and ${this.props.x}. All
// others are known to Serverless Devs only.
type references struct {
	vars    *yaml.Node
	modules map[string]*yaml.Node
	this    *yaml.Node
	depth   int
	left    *int // references that may still be followed in this file
}

// How many references may lead from one to the next, how many a file may have
// followed, and how many bytes may come of a text with some.
const (
	most      = 16
	mostInAll = 10000
	mostBytes = 64 << 10
)

// wrong is what is wrong with a reference, and what to do.
type wrong struct{ what, do string }

func (w *wrong) Error() string { return w.what + "; " + w.do }

// resolve is for strictyaml.Report.Resolve.
func (r references) resolve(n *yaml.Node) (resolved *yaml.Node, what, do string) {
	resolved, err := r.node(n)
	if err != nil {
		return nil, err.what, err.do
	}
	return resolved, "", ""
}

// node follows the references in a scalar.
func (r references) node(n *yaml.Node) (*yaml.Node, *wrong) {
	if n.Kind != yaml.ScalarNode || !strings.Contains(n.Value, "${") {
		return n, nil
	}
	r.depth++
	if *r.left--; r.depth > most || *r.left < 0 {
		return nil, &wrong{strictyaml.Quote(n.Value) + ", which leads from reference to reference without end", "write the value here"}
	}
	var b strings.Builder
	rest := n.Value
	for {
		before, after, ok := strings.Cut(rest, "${")
		b.WriteString(before)
		if !ok {
			break
		}
		end := endOf(after)
		if end < 0 {
			return nil, &wrong{strictyaml.Quote(n.Value) + ", where a ${ has no }", "close it"}
		}
		value, err := r.value(strings.TrimSpace(after[:end]))
		if err != nil {
			return nil, err
		}
		rest = after[end+1:]
		if b.Len() == 0 && rest == "" {
			return value, nil // nothing else: it keeps its type
		}
		if value.Kind != yaml.ScalarNode {
			return nil, &wrong{strictyaml.Quote(n.Value) + ", where " + after[:end] + " is no text", "refer to a text or a number"}
		}
		if b.WriteString(value.Value); b.Len() > mostBytes {
			return nil, &wrong{strictyaml.Quote(n.Value) + ", which becomes too long", "write the value here"}
		}
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Value: b.String(), Line: n.Line, Column: n.Column}, nil
}

// endOf is where the expression that s begins with ends, before its }; -1
// where it does not.
func endOf(s string) int {
	quote := rune(0)
	depth := 0
	for i, c := range s {
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case c == '{':
			depth++
		case c == '}' && depth > 0:
			depth--
		case c == '}':
			return i
		}
	}
	return -1
}

// value is what an expression stands for.
func (r references) value(expr string) (*yaml.Node, *wrong) {
	if call, args, ok := strings.Cut(expr, "("); ok && strings.HasSuffix(args, ")") {
		if strings.TrimSpace(call) != "env" {
			return nil, r.foreign(expr)
		}
		return r.env(expr, split(strings.TrimSuffix(args, ")")))
	}
	first, path, _ := strings.Cut(expr, ".")
	switch first {
	case "vars":
		return r.walk(r.vars, expr, "vars", path)
	case "this":
		return r.walk(r.this, expr, "this module", path)
	case "resources", "services":
		name, path, _ := strings.Cut(path, ".")
		module, ok := r.modules[name]
		if !ok {
			var names []string
			for n := range r.modules {
				names = append(names, n)
			}
			return nil, &wrong{reference(expr) + ", and there is no module " + strictyaml.Quote(name), suggest(name, names, "the modules are")}
		}
		if strings.HasPrefix(path, "output") {
			return nil, r.foreign(expr)
		}
		return r.walk(module, expr, "the module "+name, path)
	}
	return nil, r.foreign(expr)
}

// env is a variable of this process's environment.
func (r references) env(expr string, args []string) (*yaml.Node, *wrong) {
	name := unquote(args[0])
	if value, ok := os.LookupEnv(name); ok {
		return &yaml.Node{Kind: yaml.ScalarNode, Value: value}, nil
	}
	switch {
	case len(args) < 2:
		return nil, &wrong{fmt.Sprintf("%s, and the variable %s is not set", reference(expr), shorten(name)),
			fmt.Sprintf("set it, or give it a default: ${env(%s, VALUE)}", shorten(name))}
	case strings.Contains(args[1], "("):
		if r.depth++; r.depth > most {
			return nil, r.foreign(expr)
		}
		return r.value(args[1])
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Value: unquote(args[1])}, nil
}

// walk goes to a.b.c below n.
func (r references) walk(n *yaml.Node, expr, of, path string) (*yaml.Node, *wrong) {
	for key := range strings.SplitSeq(path, ".") {
		next := child(n, key)
		if next == nil {
			return nil, &wrong{fmt.Sprintf("%s, and %s has no %s", reference(expr), of, strictyaml.Quote(key)), suggest(key, keysOf(n), "its keys are")}
		}
		n, of = next, key
		if n.Kind == yaml.ScalarNode {
			var err *wrong
			if n, err = r.node(n); err != nil {
				return nil, err
			}
		}
	}
	return n, nil
}

// foreign is an expression that only Serverless Devs can follow.
func (r references) foreign(expr string) *wrong {
	return &wrong{reference(expr) + ", which is not followed here", "write the value, or take it from vars or env()"}
}

func reference(expr string) string { return "${" + shorten(expr) + "}" }

func shorten(s string) string {
	q := strictyaml.Quote(s)
	return q[1 : len(q)-1]
}

func suggest(got string, names []string, all string) string {
	if len(names) == 0 {
		return "write the value here"
	}
	return strictyaml.Suggest(got, names, all+" %s", ", ")
}

// split takes a list of arguments apart, at the commas outside of quotes and
// brackets.
func split(args string) (out []string) {
	quote, depth, begin := rune(0), 0, 0
	for i, c := range args {
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == ',' && depth == 0:
			out = append(out, strings.TrimSpace(args[begin:i]))
			begin = i + 1
		}
	}
	return append(out, strings.TrimSpace(args[begin:]))
}

func unquote(s string) string {
	if len(s) >= 2 && (s[0] == '\'' || s[0] == '"') && s[len(s)-1] == s[0] {
		return s[1 : len(s)-1]
	}
	return s
}
