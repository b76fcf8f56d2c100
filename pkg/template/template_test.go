package template_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/imgbuild/imgbuild/pkg/strictyaml"
	"github.com/imgbuild/imgbuild/pkg/template"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestTemplates reads the templates of testdata/*.txtar. A file NAME.yaml there
// is a template. Any other file is an edit of the NAME.yaml before it, with
// lines "old => new" in the form of Go's strings without their quotes, and so
// another template. What each comes to is in testdata/*.golden: all errors, or
// the functions and what Lint says of them. Of an edit there are the lines that
// differ from those of the template it is of.
func TestTemplates(t *testing.T) {
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatalf("%d archives: %v", len(archives), err)
	}
	t.Setenv("TEMPLATE_TEST_NAME", "from-outside")
	t.Setenv("TEMPLATE_TEST_NUMBER", "1024")
	valid, broken := 0, 0
	var all bytes.Buffer
	for _, path := range archives {
		a, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var golden bytes.Buffer
		var base []byte
		var baseName, baseResult string
		seen := map[string]string{}
		for _, f := range a.Files {
			data := f.Data
			edit := !strings.HasSuffix(f.Name, ".yaml")
			if edit {
				data = edited(t, path+": "+f.Name, base, f.Data)
			} else {
				base, baseName = f.Data, f.Name
			}
			if other, ok := seen[string(data)]; ok {
				t.Errorf("%s: %s is the same template as %s", path, f.Name, other)
			}
			seen[string(data)] = f.Name
			result, ok := resultOf(t, baseName, data)
			if ok {
				valid++
			} else {
				broken++
			}
			shown := result
			if edit && ok {
				shown = changed(baseResult, result)
			}
			if !edit {
				baseResult = result
			}
			fmt.Fprintf(&golden, "-- %s --\n%s", f.Name, shown)
		}
		all.Write(golden.Bytes())
		compare(t, strings.TrimSuffix(path, ".txtar")+".golden", golden.Bytes())
	}
	for rule := range template.Rules {
		if !bytes.Contains(all.Bytes(), []byte(" ["+rule+"]\n")) {
			t.Errorf("no template breaks the rule %s", rule)
		}
	}
	t.Logf("%d valid and %d broken templates", valid, broken)
	if valid < 80 || broken < 100 {
		t.Errorf("%d valid and %d broken templates; there have been more", valid, broken)
	}
}

func edited(t *testing.T, name string, base, edits []byte) []byte {
	t.Helper()
	text := string(base)
	for line := range strings.Lines(string(edits)) {
		from, to, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " => ")
		if !ok {
			from, ok = strings.CutSuffix(strings.TrimSuffix(line, "\n"), " =>")
		}
		from, to = unescaped(t, from), unescaped(t, to)
		if !ok || strings.Count(text, from) != 1 {
			t.Fatalf("%s: %q is there %d times", name, from, strings.Count(text, from))
		}
		text = strings.Replace(text, from, to, 1)
	}
	return []byte(text)
}

func unescaped(t *testing.T, s string) string {
	t.Helper()
	out, err := strconv.Unquote(`"` + strings.ReplaceAll(s, `"`, `\"`) + `"`)
	if err != nil {
		t.Fatalf("%q: %v", s, err)
	}
	return out
}

// resultOf is what a template comes to, and whether it is valid.
func resultOf(t *testing.T, name string, data []byte) (string, bool) {
	t.Helper()
	functions, err := template.Parse(name, data)
	if err != nil {
		if _, ok := errors.AsType[strictyaml.Problems](err); !ok {
			t.Errorf("%s: %T %v", name, err, err)
		}
		return err.Error() + "\n", false
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", " ")
	e.SetEscapeHTML(false)
	for _, f := range functions {
		if err := e.Encode(f); err != nil {
			t.Fatal(err)
		}
		f.File = filepath.Join("testdata", f.File)
		for _, finding := range template.Lint(f) {
			fmt.Fprintln(&b, finding)
		}
	}
	return b.String(), true
}

// changed are the lines that are in one of the texts only.
func changed(before, after string) string {
	var out strings.Builder
	for line := range strings.Lines(string(diff.Diff("a", []byte(before), "b", []byte(after)))) {
		if (line[0] == '-' || line[0] == '+') && !strings.HasPrefix(line, "---") && !strings.HasPrefix(line, "+++") {
			out.WriteString(line)
		}
	}
	return out.String()
}

func compare(t *testing.T, golden string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := diff.Diff(golden, want, "got", got); d != nil {
		t.Errorf("%s", d)
	}
}
