// Package strictyaml reads configuration files so that what a reviewer reads
// is what is meant: the plain part of YAML only, no unknown keys, no guessing
// of types; and it finds all problems of a file at once, with their lines.
package strictyaml

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/imgbuild/imgbuild/internal/lazyregexp"
)

// Kind is a kind of file, for messages.
type Kind struct {
	Name    string // definition
	Example string // where there is one: docs/definition.md
	// MaxSize is how many bytes a file may have; TooLong is what to do about
	// a longer one, after "keep it under N".
	MaxSize int
	TooLong string
}

// Decode reads the one document of data into the struct that into points to,
// by the json tags of its type: a field without omitempty must be written.
// source is the name of the file for messages. Where the file as a whole can
// not be read ok is false, and the Report says why; else more problems may be
// added to it.
func Decode(k Kind, source string, data []byte, into any) (r *Report, ok bool) {
	r = &Report{kind: k, source: source, at: map[string]place{}, keys: map[string]place{}, bad: map[string]bool{}}
	root := r.read(data)
	if root == nil {
		return r, false
	}
	decoder{Report: r}.decode(root, "", reflect.ValueOf(into).Elem())
	return r, true
}

// read returns the one document of data, or nil when a problem was added.
func (r *Report) read(data []byte) *yaml.Node {
	if len(data) > r.kind.MaxSize {
		r.Add("", fmt.Sprintf("the file has %d bytes", len(data)), fmt.Sprintf("keep it under %d%s", r.kind.MaxSize, r.kind.TooLong))
		return nil
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, second yaml.Node
	switch err := decodeNode(dec, &doc); {
	case errors.Is(err, io.EOF), err == nil && len(doc.Content) == 0:
		r.Add("", "the file is empty", fmt.Sprintf("write a %s; %s has one to begin with", r.kind.Name, r.kind.Example))
		return nil
	case err != nil:
		r.syntax(err, data)
		return nil
	}
	switch err := decodeNode(dec, &second); {
	case err == nil:
		r.addAt(place{max(second.Line, 1), max(second.Column, 1)}, "a second YAML document begins", "keep one "+r.kind.Name+" in a file")
		return nil
	case !errors.Is(err, io.EOF):
		r.syntax(err, data)
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

var yamlLine = lazyregexp.New(`^yaml: (?:unmarshal errors:\s*)?(?:line ([0-9]+): )?`)

// syntax adds an error of the YAML package, which knows the line only.
func (r *Report) syntax(err error, data []byte) {
	text, line := err.Error(), 1
	if m := yamlLine().FindStringSubmatch(text); m != nil {
		text = text[len(m[0]):]
		if n, err := strconv.Atoi(m[1]); err == nil {
			line = n
		}
	}
	what, do := "this is not YAML: "+strings.ReplaceAll(text, "\n", " "), "look at the indentation, quotes and brackets here and in the line before"
	if at := tabbed(data, line); at > 0 {
		line, what, do = at, "this is not YAML: the line is indented with a tab", "use spaces"
	}
	r.addAt(place{line, 1}, what, do)
}

// tabbed returns the line with a tab in its indentation, at line or beside it,
// since the YAML package does not always name the line itself; else 0.
func tabbed(data []byte, line int) int {
	lines := bytes.SplitN(data, []byte("\n"), line+2)
	for _, i := range []int{line, line + 1, line - 1} {
		if i < 1 || i > len(lines) {
			continue
		}
		text := lines[i-1]
		if indent := text[:len(text)-len(bytes.TrimLeft(text, " \t"))]; bytes.ContainsRune(indent, '\t') {
			return i
		}
	}
	return 0
}
