// Package scaffold has small functions to begin with, one for each language and
// kind of function, embedded, and writes them into a folder.
package scaffold

import (
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"text/template"

	"github.com/imgbuild/imgbuild/internal/lazyregexp"
	"github.com/imgbuild/imgbuild/pkg/fc"
	fntemplate "github.com/imgbuild/imgbuild/pkg/template"
)

// What is common to all functions, to those of a language, and what is a
// function's own lie in folders over each other. A name that ends in .tmpl is
// that of a Go template, whose data is a page. The folder begins with _ since
// its Go code is no part of this module.
//
//go:embed all:_templates
var files embed.FS

// Template is a function to begin with.
type Template struct {
	Language string `json:"language"` // golang, node or typescript
	Name     string `json:"template"`
	Title    string `json:"title"`
	// HTTP: it answers an HTTP trigger, and else events.
	HTTP bool `json:"http"`

	handler, main, test string
}

// templates has those of a language together, its default first.
var templates = []Template{
	{"golang", "event", "A function in Go that is called with events", false, "main", "main.go", "main_test.go"},
	{"golang", "http", "A function in Go that answers HTTP requests", true, "main", "main.go", "main_test.go"},
	{"golang", "go-sdk", "A function in Go on Function Compute's own SDK", false, "main", "main.go", "main_test.go"},
	{"node", "event", "A handler in JavaScript that is called with events", false, "index.handler", "index.js", "index.test.js"},
	{"node", "http", "A handler in JavaScript that answers HTTP requests", true, "index.handler", "index.js", "index.test.js"},
	{"node", "express", "An Express application", true, "index.handler", "app.js", "app.test.js"},
	{"typescript", "event", "A handler in TypeScript that is called with events", false, "dist/index.handler", "src/index.ts", "src/index.test.ts"},
	{"typescript", "http", "A handler in TypeScript that answers HTTP requests", true, "dist/index.handler", "src/index.ts", "src/index.test.ts"},
	{"typescript", "ts-decorators", "A handler in TypeScript whose routes are decorated methods", true, "dist/index.handler", "src/index.ts", "src/index.test.ts"},
}

// Languages are the languages that there are templates for.
func Languages() (names []string) {
	for _, t := range templates {
		names = append(names, t.Language)
	}
	return slices.Compact(names)
}

// Templates are the templates of a language, its default first, or all of them
// where language is "".
func Templates(language string) (found []Template) {
	for _, t := range templates {
		if language == "" || t.Language == language {
			found = append(found, t)
		}
	}
	return found
}

// Namespace stands in the files for the one that its user has in Container
// Registry.
const Namespace = "your-namespace"

// File is one file of a function.
type File struct {
	Path string // with slashes
	Data []byte
}

// page is what templates are filled with.
type page struct {
	Name, Image, Handler, Title string
	HTTP                        bool
	Main, Test, RunTests        string
	Invoke                      string // the arguments of imgbuild invoke
}

// Files are the files of a function with this name, by path.
func (t Template) Files(name string) ([]File, error) {
	p := page{
		Name:     name,
		Image:    "registry.cn-hangzhou.aliyuncs.com/" + Namespace + "/" + name + ":latest@" + fntemplate.NoDigest,
		Handler:  t.handler,
		Title:    t.Title,
		HTTP:     t.HTTP,
		Main:     t.main,
		Test:     t.test,
		RunTests: "npm install && npm test",
		Invoke:   `-e '"Serverless"'`,
	}
	if t.HTTP {
		p.Invoke = "--http GET /hello/Serverless"
	}
	switch {
	case t.Language == "golang":
		p.RunTests = "go test"
	case t.Language == "node" && t.Name != "express":
		p.RunTests = "npm test"
	}
	found := map[string]File{}
	for _, dir := range []string{"shared", t.Language + "/shared", t.Language + "/" + t.Name} {
		if err := collect(path.Join("_templates", dir), p, found); err != nil {
			return nil, fmt.Errorf("template %s of %s: %w", t.Name, t.Language, err)
		}
	}
	return slices.SortedFunc(maps.Values(found), func(a, b File) int { return strings.Compare(a.Path, b.Path) }), nil
}

// collect adds the files of one folder.
func collect(dir string, p page, into map[string]File) error {
	return fs.WalkDir(files, dir, func(at string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := files.ReadFile(at)
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(at, dir+"/")
		if plain, ok := strings.CutSuffix(name, ".tmpl"); ok {
			name = plain
			t, err := template.New(name).Option("missingkey=error").Parse(string(data))
			if err != nil {
				return err
			}
			var b bytes.Buffer
			if err := t.Execute(&b, p); err != nil {
				return err
			}
			data = b.Bytes()
		}
		into[name] = File{Path: name, Data: data}
		return nil
	})
}

var unfit = lazyregexp.New(`[^a-z0-9]+`)

// taken are names that have a meaning of their own in YAML, in a template, in
// Go, or for npm.
var taken = []string{
	"true", "false", "yes", "no", "on", "off", "null", "y", "n",
	"type", "properties", "metadata", "node-modules", "favicon-ico", "test", "internal", "vendor", "main",
}

// Name makes a function's name of a folder's, one that every part of a function
// can have: lower-case letters and digits with dashes between them, at most
// fc.MaxNameBytes, a letter in front. It is "function" where nothing is left.
func Name(folder string) string {
	name := strings.Trim(unfit().ReplaceAllString(strings.ToLower(folder), "-"), "-")
	if name == "" {
		return "function"
	}
	if name[0] <= '9' || slices.Contains(taken, name) {
		name = "function-" + name
	}
	return strings.TrimRight(name[:min(len(name), fc.MaxNameBytes)], "-")
}
