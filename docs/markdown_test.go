// Package docs_test keeps what is written about imgbuild true: links lead
// somewhere, commands exist, and what is shown is what the tree has.
package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/imgbuild/imgbuild/internal/testtool/markdown"
)

// root is the module's root, seen from this folder.
const root = ".."

// page is one Markdown file.
type page struct {
	path string // relative to the root, with slashes
	markdown.Page
}

func read(t *testing.T, path string) page {
	t.Helper()
	p, err := markdown.Read(filepath.Join(root, filepath.FromSlash(path)))
	if err != nil {
		t.Fatal(err)
	}
	return page{path, p}
}

// pages reads all Markdown files of the tree.
func pages(t *testing.T) []page {
	t.Helper()
	var all []page
	walk(t, func(path string) {
		if strings.HasSuffix(path, ".md") {
			all = append(all, read(t, filepath.ToSlash(path)))
		}
	})
	if len(all) < 20 {
		t.Fatalf("%d Markdown files; the tree has more", len(all))
	}
	return all
}

// generated are folders and files, by name, that builds and tools make in a
// checkout: those of .gitignore.
var generated = []string{".git", ".cache", "bin", "dist", "node_modules", "*.test", "*.prof", "*.out"}

// walk calls each for every file of the tree, by its path relative to the root.
func walk(t *testing.T, each func(path string)) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(root), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		for _, pattern := range generated {
			if ok, _ := filepath.Match(pattern, d.Name()); !ok {
				continue
			}
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if d.Type().IsRegular() && path != "imgbuild" { // go build ./cmd/imgbuild
			each(filepath.FromSlash(path))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
