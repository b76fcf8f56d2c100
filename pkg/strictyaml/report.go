package strictyaml

import (
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Report collects the problems of one file and knows where its values are.
// Values are named by their path, such as /variants/0/layers/1/name.
type Report struct {
	kind     Kind
	source   string
	problems Problems
	at       map[string]place
	keys     map[string]place // of the values that have one
	bad      map[string]bool  // values that could not be read
	resolve  func(*yaml.Node) (*yaml.Node, string, string)
}

type place struct{ line, column int }

// Add reports a problem with the value at path, or with the nearest value
// around it that is written in the file.
func (r *Report) Add(path, what, do string) {
	p := place{1, 1}
	for at := path; ; at = at[:strings.LastIndexByte(at, '/')] {
		if found, ok := r.at[at]; ok {
			p = found
			break
		}
		if at == "" {
			break
		}
	}
	r.addAt(p, what, do)
}

func (r *Report) addAt(p place, what, do string) {
	r.problems = append(r.problems, Problem{r.source, p.line, p.column, what, do})
}

// Has says whether the file has a value at path that could be read.
func (r *Report) Has(path string) bool { return r.Written(path) && !r.bad[path] }

// Bad says that the file has a value at path that could not be read; that is
// a problem already.
func (r *Report) Bad(path string) bool { return r.bad[path] }

// Written says whether the file has a value at path, be it of the right kind or not.
func (r *Report) Written(path string) bool {
	_, ok := r.at[path]
	return ok
}

// Err is a Problems with everything that is wrong, or nil.
func (r *Report) Err() error {
	if len(r.problems) == 0 {
		return nil
	}
	r.problems.sort()
	return r.problems
}

// At is the path of an item of the list at path.
func At(path string, i int) string { return path + "/" + strconv.Itoa(i) }

// Last is the name that the end of a path has for people: the key, or "item 2
// of packages" for the items of a list.
func (r *Report) Last(path string) string {
	parts := strings.Split(path, "/")
	key := parts[len(parts)-1]
	if i, err := strconv.Atoi(key); err == nil && len(parts) > 1 {
		return fmt.Sprintf("item %d of %s", i+1, parts[len(parts)-2])
	}
	if key == "" {
		return "the " + r.kind.Name
	}
	return key
}
