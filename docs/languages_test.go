package docs_test

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A page of docs in Chinese is the English one in another language: each links
// the other before anything else, headings are as many and of the same levels,
// tables have as many rows, and code is the same.
func TestLanguages(t *testing.T) {
	found := 0
	for _, zh := range pages(t) {
		name, ok := strings.CutSuffix(zh.path, ".zh.md")
		if !ok || zh.path == "README.zh.md" { // TestReadmesAreEqual
			continue
		}
		found++
		t.Run(name, func(t *testing.T) {
			en := read(t, name+".md")
			for _, p := range []struct {
				page, other page
				word        string
			}{{en, zh, "中文"}, {zh, en, "English"}} {
				want := "[" + p.word + "](" + path.Base(p.other.path) + ")"
				if lines := lines(t, p.page.path); len(lines) < 3 || lines[2] != want {
					t.Errorf("the third line of %s is not %s", p.page.path, want)
				}
			}
			if a, b := levels(en), levels(zh); !slices.Equal(a, b) {
				t.Errorf("the headings differ: %v and %v", en.Headings, zh.Headings)
			}
			if a, b := rows(t, en.path), rows(t, zh.path); a != b {
				t.Errorf("the tables have %d and %d rows", a, b)
			}
			if len(en.Blocks) != len(zh.Blocks) {
				t.Fatalf("%d and %d blocks of code", len(en.Blocks), len(zh.Blocks))
			}
			for i, a := range en.Blocks {
				if b := zh.Blocks[i]; a.Lang != b.Lang || a.Text != b.Text {
					t.Errorf("the code differs:\n%s:%d:\n%s\n%s:%d:\n%s", en.path, a.Line, a.Text, zh.path, b.Line, b.Text)
				}
			}
		})
	}
	if found < 8 {
		t.Errorf("%d pages are in Chinese; there were more", found)
	}
}

func levels(p page) (all []int) {
	for _, h := range p.Headings {
		all = append(all, h.Level)
	}
	return all
}

// rows counts the rows of all tables.
func rows(t *testing.T, path string) int {
	n := 0
	for _, line := range lines(t, path) {
		if strings.HasPrefix(line, "|") {
			n++
		}
	}
	return n
}

func lines(t *testing.T, path string) []string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(path)))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(data), "\n")
}
