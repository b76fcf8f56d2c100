package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var readmes = []string{"README.md", "README.zh.md"}

// The two READMEs say the same: as many headings of the same levels, the same
// code, the same links, the same table of sizes.
func TestReadmesAreEqual(t *testing.T) {
	en, zh := read(t, readmes[0]), read(t, readmes[1])
	if !slices.Equal(levels(en), levels(zh)) {
		t.Errorf("the headings differ: %v and %v", en.Headings, zh.Headings)
	}
	if len(en.Blocks) != len(zh.Blocks) {
		t.Fatalf("%d and %d blocks of code", len(en.Blocks), len(zh.Blocks))
	}
	for i := range en.Blocks {
		if en.Blocks[i].Lang != zh.Blocks[i].Lang || en.Blocks[i].Text != zh.Blocks[i].Text {
			t.Errorf("the code differs:\n%s:%d:\n%s\n%s:%d:\n%s", en.path, en.Blocks[i].Line, en.Blocks[i].Text,
				zh.path, zh.Blocks[i].Line, zh.Blocks[i].Text)
		}
	}
	// The first link of each leads to the other; a page that is there in Chinese
	// may be linked as that, and its headings are then Chinese, too.
	if a, b := inEnglish(targets(en)[1:]), inEnglish(targets(zh)[1:]); !slices.Equal(a, b) {
		t.Errorf("the links differ:\n%q\n%q", a, b)
	}
	if a, b := tableOfSizes(t, readmes[0]), tableOfSizes(t, readmes[1]); a != b {
		t.Errorf("the tables of sizes differ:\n%s\n%s", a, b)
	}
}

// inEnglish are links to the English pages in place of the Chinese ones, without
// the headings there, which TestLinks looks for.
func inEnglish(links []string) []string {
	for i := range links {
		links[i], _, _ = strings.Cut(strings.Replace(links[i], ".zh.md", ".md", 1), "#")
	}
	return links
}

func targets(p page) (all []string) {
	for _, l := range p.Links {
		all = append(all, l.Text)
	}
	return all
}

// A Dockerfile in a README is the one in examples, which tests build.
func TestDockerfiles(t *testing.T) {
	nameRE := regexp.MustCompile(`\]\((examples/[^)]+/Dockerfile[^)]*)\)`)
	for _, readme := range readmes {
		shown := map[string]bool{}
		for _, b := range read(t, readme).Blocks {
			if b.Lang != "dockerfile" {
				continue
			}
			m := nameRE.FindStringSubmatch(b.Above)
			if m == nil {
				t.Errorf("%s:%d: the line above does not say of which example this is", readme, b.Line)
				continue
			}
			data, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(m[1])))
			if err != nil {
				t.Error(err)
				continue
			}
			if b.Text != strings.TrimRight(string(data), "\n") {
				t.Errorf("%s:%d: differs from %s:\n%s", readme, b.Line, m[1], data)
			}
			shown[strings.Split(m[1], "/")[1]] = true
		}
		for _, language := range []string{"golang", "node", "typescript"} {
			if !shown[language] {
				t.Errorf("%s shows no Dockerfile of examples/%s", readme, language)
			}
		}
	}
}

func tableOfSizes(t *testing.T, readme string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, readme))
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(data), "<!-- sizes -->")
	table, _, closed := strings.Cut(table, "<!-- /sizes -->")
	if !ok || !closed {
		t.Fatalf("%s has no table between <!-- sizes --> and <!-- /sizes -->", readme)
	}
	return table
}

// The table has every image with its tags. Its sizes are those of the locks,
// which leave out the shim: 1.5 to 4 MB more.
func TestTableOfSizes(t *testing.T) {
	const again = "; take the table that `go run ./bench/sizes` prints into both READMEs"
	wordRE, sizeRE := regexp.MustCompile(`[\w.-]+`), regexp.MustCompile(`^([0-9.]+) MB$`)
	rows := map[string]float64{}
	for line := range strings.Lines(tableOfSizes(t, readmes[0])) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) < 3 {
			continue
		}
		m := sizeRE.FindStringSubmatch(strings.TrimSpace(cells[2]))
		if m == nil {
			continue // the head
		}
		mb, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			t.Fatal(err)
		}
		rows[strings.Trim(cells[0], " `")+" "+strings.Join(wordRE.FindAllString(cells[1], -1), " ")] = mb
	}
	images := theImgbuild(t).images
	for _, i := range images {
		key := i.Name + " " + strings.Join(i.Tags, " ")
		shown, ok := rows[key]
		layers := float64(i.Sizes["linux/amd64"]) / 1e6
		switch shim := shown - layers; {
		case !ok:
			t.Errorf("the README has no row for %s%s", key, again)
		case shim < 1.4 || shim > 4.1:
			t.Errorf("%s: the README has %.1f MB, its layers without the shim have %.1f MB%s", key, shown, layers, again)
		}
	}
	if len(rows) != len(images) {
		t.Errorf("the README has %d rows for %d images%s", len(rows), len(images), again)
	}
}
