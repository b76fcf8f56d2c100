package mirror

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

// parseFile reads imgbuild.yaml:
//
//	mirrors:
//	  debian: https://mirror.example/debian
//	  debian-security: https://mirror.example/debian-security
//	  go: https://goproxy.example,https://second.example
//	  npm: https://npm.example
//	bundles:
//	  - registry.example.com/base/golang:bundle
//	  - ./golang.tar
//
// Anything else is an error with its line and column.
func parseFile(b []byte, name string) (configuration, error) {
	d := yaml.NewDecoder(bytes.NewReader(b))
	var doc yaml.Node
	c := configuration{places: map[string][]Base{}}
	if err := d.Decode(&doc); errors.Is(err, io.EOF) {
		return c, nil
	} else if err != nil {
		return c, fmt.Errorf("%s: %w", name, err)
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return c, fmt.Errorf("%s: more than one document", name)
	}
	p := parser{name: name}
	err := p.mapping(doc.Content[0], func(key, value *yaml.Node) (err error) {
		switch key.Value {
		case "mirrors":
			return p.mapping(value, func(key, value *yaml.Node) error {
				return p.mirror(c.places, key, value)
			})
		case "bundles":
			c.bundles, err = p.bundles(value)
			return err
		}
		return p.errorf(key, "unknown key %q; there are mirrors and bundles", key.Value)
	})
	return c, err
}

// configuration is what a file says.
type configuration struct {
	places  map[string][]Base
	bundles []Bundle
}

type parser struct{ name string }

func (p parser) mirror(places map[string][]Base, key, value *yaml.Node) error {
	if !known(key.Value) {
		return p.errorf(key, "%w", unknownArchive(key.Value))
	}
	if value.Kind != yaml.ScalarNode || value.Tag != "!!str" {
		return p.errorf(value, "%s wants a URL", key.Value)
	}
	bases, err := parseList(key.Value, value.Value, fmt.Sprintf("%s:%d", p.name, value.Line))
	if err != nil {
		return p.errorf(value, "%w", err)
	}
	if len(bases) == 0 {
		return p.errorf(value, "%s wants a URL", key.Value)
	}
	places[key.Value] = bases
	return nil
}

func (p parser) bundles(n *yaml.Node) (all []Bundle, err error) {
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return nil, nil
	}
	if n.Kind != yaml.SequenceNode {
		return nil, p.errorf(n, "bundles wants a list of references and files")
	}
	for _, v := range n.Content {
		if v.Kind != yaml.ScalarNode || v.Tag != "!!str" || strings.TrimSpace(v.Value) == "" {
			return nil, p.errorf(v, "a bundle is a reference, such as registry.example.com/base/golang:bundle, or a file")
		}
		all = append(all, Bundle{Ref: v.Value, From: fmt.Sprintf("%s:%d", p.name, v.Line)})
	}
	return all, nil
}

// mapping calls each for the pairs of a mapping; nothing at all is an empty one.
func (p parser) mapping(n *yaml.Node, each func(key, value *yaml.Node) error) error {
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		return p.errorf(n, "expected keys and values")
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if key.Kind != yaml.ScalarNode {
			return p.errorf(key, "a key is a word")
		}
		if seen[key.Value] {
			return p.errorf(key, "%s is there twice", key.Value)
		}
		seen[key.Value] = true
		if err := each(key, n.Content[i+1]); err != nil {
			return err
		}
	}
	return nil
}

func (p parser) errorf(n *yaml.Node, format string, args ...any) error {
	return fmt.Errorf("%s:%d:%d: %w", p.name, n.Line, n.Column, fmt.Errorf(strings.TrimSpace(format), args...))
}
