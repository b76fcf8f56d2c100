package template

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/imgbuild/imgbuild/pkg/strictyaml"
)

// MaxSize is how many bytes a template may have.
const MaxSize = 1 << 20

// names are what templates are called in a folder, by their format.
var names = [...][]string{
	fun:     {"template.yaml", "template.yml"},
	project: {"s.yaml", "s.yml"},
}

// format is who a template is for.
type format int

const (
	fun     format = iota // template.yaml
	project               // s.yaml
)

// Load reads all functions of a template, in its order: of a file, or of the
// template in a folder. Errors are a strictyaml.Problems where the file is
// wrong.
//
// A folder may have a template.yaml and a s.yaml for the same functions. They
// have to say the same; the functions are then those of s.yaml, which is for
// the platform's newer version.
func Load(path string) ([]Function, error) {
	files, err := Find(path)
	if err != nil {
		return nil, err
	}
	functions, err := loadFile(files[0])
	if err != nil || len(files) == 1 {
		return functions, err
	}
	others, err := loadFile(files[1])
	if err != nil {
		return nil, err
	}
	if err := same(functions, others); err != nil {
		return nil, fmt.Errorf("%s and %s are both here and differ: %w; make them say the same, or name the one that is meant", files[0], files[1], err)
	}
	return functions, nil
}

// Find returns the templates that path stands for: the file itself, or those
// in the folder, s.yaml before template.yaml.
func Find(path string) (files []string, err error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("there is no %s; give a template.yaml, a s.yaml, or the folder that has one", path)
	case err != nil:
		return nil, fmt.Errorf("reading the template: %w", err)
	case !info.IsDir():
		return []string{path}, nil
	}
	for _, f := range []format{project, fun} {
		var found []string
		for _, name := range names[f] {
			at := filepath.Join(path, name)
			if info, err := os.Stat(at); err == nil && !info.IsDir() {
				found = append(found, at)
			}
		}
		if len(found) > 1 {
			return nil, fmt.Errorf("%s and %s are both here; keep one of them", found[0], found[1])
		}
		files = append(files, found...)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s has neither a template.yaml nor a s.yaml; imgbuild init makes them", path)
	}
	return files, nil
}

func loadFile(path string) ([]Function, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the template: %w", err)
	}
	return Parse(path, data)
}

// readFile reads one byte more than a template may have, and no more.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, MaxSize+1))
}

// Parse reads the functions of a template that is called source. Which format
// it has is seen from its keys. Environment variables that a s.yaml refers to
// are those of this process.
func Parse(source string, data []byte) ([]Function, error) {
	r, err := parse(source, data)
	return r.functions, err
}

// parse is Parse, with what is known of where the values are.
func parse(source string, data []byte) (*reader, error) {
	r := &reader{source: source, at: map[string]strictyaml.Raw{}}
	r.format = formatOf(source, data)
	kind := strictyaml.Kind{Name: names[r.format][0], Example: "docs/template.md", MaxSize: MaxSize}
	if r.format == fun {
		r.fun(kind, data)
	} else {
		r.project(kind, data)
	}
	slices.SortStableFunc(r.functions, func(a, b Function) int { return cmp.Compare(a.Line, b.Line) })
	if err := r.Err(); err != nil {
		r.functions = nil
		return r, err
	}
	return r, nil
}

// formatOf looks at the keys of the file, then at its name.
func formatOf(source string, data []byte) format {
	var top map[string]strictyaml.Raw
	strictyaml.Decode(strictyaml.Kind{MaxSize: MaxSize}, source, data, &top)
	votes := 0
	for key := range top {
		switch key {
		case "ROSTemplateFormatVersion", "Transform", "Resources":
			votes++
		case "edition", "services", "resources", "vars", "access":
			votes--
		}
	}
	base := filepath.Base(source)
	if votes < 0 || votes == 0 && (base == "s" || strings.HasPrefix(base, "s.")) {
		return project
	}
	return fun
}
