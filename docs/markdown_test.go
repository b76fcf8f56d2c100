// Package docs_test keeps what is written about imgbuild true: links lead
// somewhere, commands exist, and what is shown is what the tree has.
package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// root is the module's root, seen from this folder.
const root = ".."

// page is one Markdown file.
type page struct {
	path     string // relative to the root, with slashes
	headings []heading
	blocks   []block
	spans    []span // inline code
	links    []span // targets
}

type heading struct {
	level int
	text  string
}

// block is one block of code, fenced or indented.
type block struct {
	line   int // of its first line of code
	lang   string
	text   string
	before string // the last line of text above it
}

type span struct {
	line int
	text string
}

var (
	headingRE = regexp.MustCompile(`^(#{1,6}) +(.*?)\s*$`)
	fenceRE   = regexp.MustCompile("^( *)```+ *([A-Za-z0-9+-]*)")
	spanRE    = regexp.MustCompile("`([^`]+)`")
	linkRE    = regexp.MustCompile(`\]\(([^()\s]+)\)`)
)

// read takes a page apart, as far as the tests need it. Indented code begins
// after an empty line; in lists there is only fenced code.
func read(t *testing.T, path string) page {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(path)))
	if err != nil {
		t.Fatal(err)
	}
	p := page{path: path}
	var code []string
	var fence, indented *block
	last, empty := "", true
	// Spans and links may go over the end of a line.
	var prose strings.Builder
	for i, line := range strings.Split(string(data)+"\n", "\n") {
		keep := ""
		switch {
		case fence != nil && strings.HasPrefix(strings.TrimSpace(line), "```"):
			fence.text = strings.Join(code, "\n")
			p.blocks = append(p.blocks, *fence)
			fence = nil
		case fence != nil:
			code = append(code, line)
		case fenceRE.MatchString(line):
			fence = &block{line: i + 2, lang: fenceRE.FindStringSubmatch(line)[2], before: last}
			code = nil
		case strings.HasPrefix(line, "    ") && (empty || indented != nil):
			if indented == nil {
				indented, code = &block{line: i + 1, before: last}, nil
			}
			code = append(code, line[4:])
		default:
			if indented != nil {
				indented.text = strings.Join(code, "\n")
				p.blocks = append(p.blocks, *indented)
				indented = nil
			}
			if m := headingRE.FindStringSubmatch(line); m != nil {
				p.headings = append(p.headings, heading{len(m[1]), m[2]})
			}
			keep = line
			if strings.TrimSpace(line) != "" {
				last = line
			}
		}
		empty = strings.TrimSpace(line) == ""
		prose.WriteString(keep + "\n")
	}
	if fence != nil {
		t.Fatalf("%s:%d: the code block has no end", path, fence.line)
	}
	p.spans = find(spanRE, prose.String())
	p.links = find(linkRE, spanRE.ReplaceAllStringFunc(prose.String(), blank))
	return p
}

func find(re *regexp.Regexp, text string) []span {
	var spans []span
	for _, m := range re.FindAllStringSubmatchIndex(text, -1) {
		spans = append(spans, span{
			line: strings.Count(text[:m[0]], "\n") + 1,
			text: strings.Join(strings.Fields(text[m[2]:m[3]]), " "),
		})
	}
	return spans
}

// blank keeps the lines of inline code, and a link's text around it.
func blank(code string) string { return strings.Repeat("\n", strings.Count(code, "\n")) }

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
