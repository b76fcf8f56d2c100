package template

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/imgbuild/imgbuild/pkg/address"
	"github.com/imgbuild/imgbuild/pkg/strictyaml"
)

// SetImage returns the template with another image for a function, which is
// named by its name or, where services or regions have functions of one name,
// by SERVICE/NAME or REGION/NAME. All other bytes stay as they are.
func SetImage(data []byte, function, image string) ([]byte, error) {
	if _, err := address.ParseReference(image); err != nil {
		return nil, fmt.Errorf("writing the image: %w", err)
	}
	r, err := parse("the template", data)
	if err != nil {
		return nil, err
	}
	f, err := find(r.functions, function)
	if err != nil {
		return nil, err
	}
	if f.Runtime != CustomContainer {
		return nil, fmt.Errorf("the function %s has the runtime %s, which has no image", f.Name, f.Runtime)
	}
	if f.Image == image {
		return data, nil
	}
	begin, end, err := scalar(data, r.at[key(f)])
	if err != nil {
		return nil, fmt.Errorf("the image of the function %s, line %d: %w", f.Name, f.Lines["Image"], err)
	}
	out := bytes.Join([][]byte{data[:begin], []byte(quoted(image, data[begin])), data[end:]}, nil)
	if err := changedOnly(r.functions, f, image, out); err != nil {
		return nil, err
	}
	return out, nil
}

// find returns the function that is called so.
func find(functions []Function, name string) (found Function, err error) {
	n := 0
	var names []string
	for _, f := range functions {
		names = append(names, f.Name)
		if slices.Contains([]string{f.Name, f.Service + "/" + f.Name, f.Region + "/" + f.Name}, name) {
			found = f
			n++
		}
	}
	switch n {
	case 0:
		return found, fmt.Errorf("there is no function %q in the template; %s", name, strictyaml.Suggest(name, names, "it has %s", ", "))
	case 1:
		return found, nil
	}
	return found, fmt.Errorf("%d functions are called %q; write SERVICE/%s or REGION/%s", n, name, name, name)
}

// scalar returns where the text of a scalar begins and ends in the file.
func scalar(data []byte, v strictyaml.Raw) (begin, end int, err error) {
	n := v.Node
	switch {
	case n == nil || n.Kind != yaml.ScalarNode:
		return 0, 0, errors.New("it is not written there; write it out")
	case strings.Contains(n.Value, "${"):
		return 0, 0, fmt.Errorf("it is %s; write the image out to have it changed here", strictyaml.Quote(n.Value))
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		return 0, 0, errors.New("it is written as a block; write it on one line")
	}
	begin = offset(data, n.Line, n.Column)
	line := data[begin:]
	if i := bytes.IndexAny(line, "\r\n"); i >= 0 {
		line = line[:i]
	}
	width := len(n.Value)
	if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 {
		width = bytes.IndexByte(line[min(1, len(line)):], line[0]) + 2
	}
	if width > len(line) || strings.Trim(string(line[:width]), `'"`) != n.Value {
		return 0, 0, errors.New("it is not written on one line, or has escapes; write it plainly")
	}
	return begin, begin + width, nil
}

// offset is where a line and a column, both counted from 1 and the column in
// characters, are in data.
func offset(data []byte, line, column int) int {
	at := 0
	for ; line > 1; line-- {
		i := bytes.IndexByte(data[at:], '\n')
		if i < 0 {
			return len(data)
		}
		at += i + 1
	}
	if at == 0 && bytes.HasPrefix(data, []byte("\ufeff")) {
		at = len("\ufeff")
	}
	for ; column > 1 && at < len(data); column-- {
		_, size := utf8.DecodeRune(data[at:])
		at += size
	}
	return at
}

// quoted writes a reference in the quotes that begin with c, if any. It needs
// none in YAML.
func quoted(image string, c byte) string {
	if c == '\'' || c == '"' {
		return string(c) + image + string(c)
	}
	return image
}

// changedOnly says whether nothing but the image of f is another.
func changedOnly(before []Function, f Function, image string, data []byte) error {
	after, err := Parse("the template", data)
	if err != nil {
		return fmt.Errorf("writing the image: %w", err)
	}
	for i := range before {
		if key(before[i]) == key(f) {
			before[i].Image = image
		}
	}
	if !reflect.DeepEqual(before, after) {
		return errors.New("the image is in a place where it cannot be changed alone; write it on a line of its own")
	}
	return nil
}
