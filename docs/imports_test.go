package docs_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const module = "github.com/imgbuild/imgbuild/"

// The table in CONTRIBUTING.md is the order of the packages: a package imports
// only what stands above it, or to the left in its line.
func TestImports(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(root, "CONTRIBUTING.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(data), "<!-- imports -->")
	table, _, closed := strings.Cut(table, "<!-- /imports -->")
	if !ok || !closed {
		t.Fatal("CONTRIBUTING.md has no table between <!-- imports --> and <!-- /imports -->")
	}
	place := map[string]int{}
	for i, name := range strings.Fields(table) {
		if _, twice := place[name]; twice {
			t.Errorf("%s is there twice", name)
		}
		place[name] = i
	}
	list := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./pkg/...")
	list.Dir = root
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		name, ok := orderedName(words[0])
		if !ok {
			continue
		}
		found[name] = true
		if !strings.Contains(string(data), "| `pkg/"+name+"` |") && !strings.HasPrefix(name, "rootfs/") && !strings.HasPrefix(name, "shim/") {
			t.Errorf("the map in CONTRIBUTING.md has no line for pkg/%s", name)
		}
		at, ok := place[name]
		if !ok {
			t.Errorf("pkg/%s has no place in the table of imports", name)
			continue
		}
		for _, imported := range words[1:] {
			other, ok := orderedName(imported)
			if !ok || other == name {
				continue
			}
			if to, ok := place[other]; !ok || to > at {
				t.Errorf("pkg/%s imports pkg/%s, which the table has after it", name, other)
			}
		}
	}
	for name := range place {
		if !found[name] {
			t.Errorf("there is no pkg/%s", name)
		}
	}
}

// orderedName is the package's name in the table. Helpers of tests and what is
// only part of another package are not in it.
func orderedName(path string) (string, bool) {
	name, ok := strings.CutPrefix(path, module+"pkg/")
	switch {
	case !ok, strings.HasSuffix(name, "test"), strings.Contains(name, "/internal/"), strings.HasPrefix(name, "definition/schema"), strings.HasPrefix(name, "release/schema"):
		return "", false
	}
	return name, true
}
