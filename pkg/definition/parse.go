package definition

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// MaxSize is the size in bytes that an image.yaml may have.
const MaxSize = 1 << 20

// Parse reads a definition strictly and checks all of it. source is the name
// of the file for messages. files returns the content of a file beside the
// definition, by its slash-separated relative path; Parse calls it only with
// paths that stay inside the definition's folder. The error is a Problems with
// everything that is wrong.
func Parse(source string, data []byte, files func(path string) ([]byte, error)) (*Definition, error) {
	r := &report{source: source, at: map[string]place{}, bad: map[string]bool{}}
	root := readYAML(r, data)
	if root == nil {
		return nil, r.err()
	}
	d := &Definition{Source: source}
	decoder{r}.decode(root, "", reflect.ValueOf(d).Elem())
	checker{report: r, d: d, files: files}.definition()
	if err := r.err(); err != nil {
		return nil, err
	}
	d.normalise()
	return d, nil
}

// normalise takes out what says the same as leaving it out, so that it is the
// same definition to Digest.
func (d *Definition) normalise() {
	for _, v := range d.Variants {
		for _, l := range v.Layers {
			if l.Debian != nil && l.Debian.Dependencies != nil && *l.Debian.Dependencies {
				l.Debian.Dependencies = nil
			}
		}
	}
}

// readYAML returns the one document of data, or nil when a problem was added.
func readYAML(r *report, data []byte) *yaml.Node {
	if len(data) > MaxSize {
		r.add("", fmt.Sprintf("the file has %d bytes", len(data)), fmt.Sprintf("keep it under %d; put long contents into files of their own and use `source`", MaxSize))
		return nil
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, second yaml.Node
	switch err := decodeNode(dec, &doc); {
	case errors.Is(err, io.EOF), err == nil && len(doc.Content) == 0:
		r.add("", "the file is empty", "write a definition; docs/definition.md has one to begin with")
		return nil
	case err != nil:
		r.syntax(err)
		return nil
	}
	switch err := decodeNode(dec, &second); {
	case err == nil:
		r.addAt(place{max(second.Line, 1), max(second.Column, 1)}, "a second YAML document begins", "keep one definition in a file")
		return nil
	case !errors.Is(err, io.EOF):
		r.syntax(err)
		return nil
	}
	return doc.Content[0]
}

// decodeNode turns the panics of the YAML package's internal checks, which
// only damaged files can reach, into errors.
func decodeNode(dec *yaml.Decoder, n *yaml.Node) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("yaml: %v", p)
		}
	}()
	return dec.Decode(n)
}

var yamlLine = regexp.MustCompile(`^yaml: (?:unmarshal errors:\s*)?(?:line ([0-9]+): )?`)

// syntax adds an error of the YAML package, which knows the line only.
func (r *report) syntax(err error) {
	text, line := err.Error(), 1
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		text = text[len(m[0]):]
		if n, err := strconv.Atoi(m[1]); err == nil {
			line = n
		}
	}
	r.addAt(place{line, 1}, "this is not YAML: "+strings.ReplaceAll(text, "\n", " "), "look at the indentation, quotes and brackets here and in the line before")
}
