package scaffold_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/imgbuild/imgbuild/pkg/address"
	"github.com/imgbuild/imgbuild/pkg/scaffold"
	"github.com/imgbuild/imgbuild/pkg/template"
)

var update = flag.Bool("update", false, "write the golden file anew")

// each runs a test for each template, with its function written into a folder.
func each(t *testing.T, test func(t *testing.T, s scaffold.Template, dir string)) {
	t.Helper()
	for _, s := range scaffold.Templates("") {
		t.Run(s.Language+"/"+s.Name, func(t *testing.T) {
			files, err := s.Files("hello")
			if err != nil {
				t.Fatal(err)
			}
			dir := filepath.Join(t.TempDir(), "hello")
			if err := scaffold.Write(dir, files); err != nil {
				t.Fatal(err)
			}
			test(t, s, dir)
		})
	}
}

// What is the same in all functions is looked at in full; of the others there
// are the names.
func TestFiles(t *testing.T) {
	var got bytes.Buffer
	for _, s := range scaffold.Templates("") {
		files, err := s.Files("hello")
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&got, "%s %s\n", s.Language, s.Name)
		for _, f := range files {
			fmt.Fprintf(&got, "  %s\n", f.Path)
			whole := s.Name == "express" || s.Language == "golang" && s.Name == "event"
			if whole && (f.Path == "template.yaml" || f.Path == "s.yaml" || f.Path == "README.md") {
				for line := range strings.Lines(string(f.Data)) {
					fmt.Fprintf(&got, "    | %s", line)
				}
			}
		}
	}
	const golden = "testdata/files.golden"
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("the files differ from %s:\n%s", golden, &got)
	}
}

// Both templates are read, say the same, and have no fault but that nothing
// has been pushed. The image can be put in.
func TestTemplates(t *testing.T) {
	each(t, func(t *testing.T, s scaffold.Template, dir string) {
		for _, name := range []string{"template.yaml", "s.yaml"} {
			path := filepath.Join(dir, name)
			functions, err := template.Load(path)
			if err != nil || len(functions) != 1 {
				t.Fatalf("%d functions: %v", len(functions), err)
			}
			f := functions[0]
			if f.Name != "hello" || f.Port != template.Port || (len(f.Triggers) == 1) != s.HTTP {
				t.Errorf("%s: %+v", name, f)
			}
			if found := template.Lint(f); len(found) != 1 || found[0].Rule != "image-pushed" {
				t.Errorf("%s: %v", name, found)
			}
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			image := strings.Replace(f.Image, template.NoDigest, "sha256:"+strings.Repeat("1", 64), 1)
			data, err = template.SetImage(data, "hello", image)
			if err != nil {
				t.Fatal(err)
			}
			if functions, err = template.Parse(path, data); err != nil || len(template.Lint(functions[0])) != 0 {
				t.Errorf("%s with an image: %v, %v", name, err, template.Lint(functions[0]))
			}
		}
		if functions, err := template.Load(dir); err != nil || len(functions) != 1 {
			t.Errorf("both: %d functions: %v", len(functions), err)
		}
	})
}

// Nobody's registry is in a lock, and all that is in it can be verified.
func TestLocks(t *testing.T) {
	each(t, func(t *testing.T, _ scaffold.Template, dir string) {
		data, err := os.ReadFile(filepath.Join(dir, "package-lock.json"))
		if errors.Is(err, fs.ErrNotExist) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(data, []byte("://")) || !bytes.Contains(data, []byte(`"integrity": "sha512-`)) {
			t.Error("the lock names a host or has no hashes; make it with npm install --package-lock-only --omit-lockfile-registry-resolved, without funding")
		}
	})
}

func TestName(t *testing.T) {
	for folder, want := range map[string]string{
		"hello": "hello", "Hello World": "hello-world", "my_func.v2": "my-func-v2", "-a-": "a",
		"": "function", "/": "function", ".": "function", "日本": "function",
		"1st": "function-1st", "true": "function-true", "NO": "function-no", "Type": "function-type", "node_modules": "function-node-modules",
		strings.Repeat("a", 63) + "-b": strings.Repeat("a", 63),
		strings.Repeat("b", 100):       strings.Repeat("b", 64),
	} {
		if got := scaffold.Name(folder); got != want {
			t.Errorf("%q is called %q, want %q", folder, got, want)
		}
	}
}

// Whatever a folder is called, all that is made of the name is well formed.
func FuzzName(f *testing.F) {
	f.Add("Hello World")
	f.Add("null")
	f.Fuzz(func(t *testing.T, folder string) {
		name := scaffold.Name(folder)
		if _, err := (address.Registry{Host: "example.com"}).Repository(name); err != nil {
			t.Error(err)
		}
		files, err := scaffold.Templates("node")[0].Files(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if !strings.HasSuffix(file.Path, ".yaml") {
				continue
			}
			functions, err := template.Parse(file.Path, file.Data)
			if err != nil || functions[0].Name != name {
				t.Errorf("%q is called %q: %v, %v", folder, name, functions, err)
			}
		}
	})
}

func TestLanguages(t *testing.T) {
	if got := scaffold.Languages(); !slices.Equal(got, []string{"golang", "node", "typescript"}) {
		t.Error(got)
	}
	for _, language := range scaffold.Languages() {
		if got := scaffold.Templates(language); len(got) < 3 || got[0].Name != "event" {
			t.Error(got)
		}
	}
}
