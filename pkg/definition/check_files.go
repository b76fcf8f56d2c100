package definition

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/imgbuild/imgbuild/pkg/definition/internal/grammar"
	"github.com/imgbuild/imgbuild/pkg/strictyaml"
)

// maxID is the greatest user or group id that a definition may use; the one
// above it, (uid_t)-1, means "unchanged" to chown(2).
const maxID = 1<<31 - 2

// fileList checks a files layer and reads the contents it takes from beside
// the definition.
func (c checker) fileList(list string, files []File) {
	c.Some(list, len(files), many)
	seen := make(map[string]bool, len(files))
	for i, f := range files {
		path := strictyaml.At(list, i)
		if c.Bad(path) {
			continue
		}
		if c.path(path+"/path", f.Path) {
			switch {
			case f.Path == "/":
				c.Add(path+"/path", "the file is the root of the image", "name something below it")
			case seen[f.Path]:
				c.Add(path+"/path", "the path "+strictyaml.Quote(f.Path)+" is there twice", "keep one of them")
			}
			seen[f.Path] = true
		}
		c.fileKind(path, f)
		c.Match(path+"/mode", f.Mode, grammar.Mode)
		for key, id := range map[string]int{"uid": f.UID, "gid": f.GID} {
			if c.Has(path+"/"+key) && (id < 0 || id > maxID) {
				c.Add(path+"/"+key, fmt.Sprintf("%s is %d", key, id), fmt.Sprintf("use 0 to %d", maxID))
			}
		}
	}
}

// fileKind checks that a file is exactly one of the four kinds.
func (c checker) fileKind(path string, f File) {
	var has []string
	for _, k := range []string{"source", "content", "link", "dir"} {
		if c.Written(path + "/" + k) {
			has = append(has, k)
		}
	}
	switch {
	case len(has) == 0:
		c.Add(path, "the file has no content", `add one of source, content (content: "" for an empty file), link, dir`)
	case len(has) > 1:
		c.Add(path+"/"+has[1], "the file has "+strings.Join(has, " and "), "keep one of them")
	}
	if c.Has(path+"/dir") && !f.Dir {
		c.Add(path+"/dir", "dir is false", "leave it out")
	}
	if c.Match(path+"/link", f.Link, grammar.Text) {
		c.placeholders(path+"/link", f.Link, Placeholders())
		if c.Written(path + "/mode") {
			c.Add(path+"/mode", "a symbolic link has no mode", "leave it out")
		}
	}
	c.placeholders(path+"/content", f.Content, Placeholders())
	if c.Has(path + "/source") {
		c.source(path+"/source", f.Source)
	}
}

// source reads a file from beside the definition.
func (c checker) source(path, source string) {
	c.placeholders(path, source, nil)
	if !fs.ValidPath(source) || source == "." || strings.ContainsAny(source, `\:`) {
		c.Add(path, "source "+strictyaml.Quote(source)+" is not inside the definition's folder", "use a path relative to it, with / and without . and ..")
		return
	}
	if _, ok := c.d.Files[source]; ok {
		return
	}
	if c.files == nil {
		c.Add(path, "source "+strictyaml.Quote(source)+" can not be read here", "put the definition into a file and give its path")
		return
	}
	content, err := c.files(source)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		c.Add(path, "source "+strictyaml.Quote(source)+" does not exist", "put the file beside the definition")
	case err != nil:
		c.Add(path, fmt.Sprintf("reading source %s: %v", strictyaml.Quote(source), err), "make it a file that can be read")
	default:
		if c.d.Files == nil {
			c.d.Files = map[string][]byte{}
		}
		c.d.Files[source] = content
	}
}
