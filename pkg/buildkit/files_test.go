package buildkit_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/tonistiigi/fsutil"

	"github.com/imgbuild/imgbuild/pkg/buildkit"
)

// Files are all that a builder finds, whatever it looks for.
func TestFiles(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"b", "a", "secret", ".env"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("in "+name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("b", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	f := buildkit.NewFiles()
	for name, path := range map[string]string{"z": "link", "a": "a"} {
		if err := f.Hand(name, filepath.Join(dir, path)); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Hand("c", filepath.Join(dir, "c")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	// As BuildKit's client has it asked for, with patterns of the builder's choice.
	for _, opt := range []*fsutil.FilterOpt{{}, {IncludePatterns: []string{"**", "../**", "secret"}}, {FollowPaths: []string{"*", ".env"}}, {ExcludePatterns: []string{"!secret"}}} {
		seen, err := fsutil.NewFilterFS(f, opt)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		if err := seen.Walk(t.Context(), "/", func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				t.Errorf("%s is %v, %v", path, d, err)
			}
			names = append(names, path)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(names, []string{"a", "z"}) {
			t.Errorf("with %+v it sees %v", opt, names)
		}
	}
	for _, name := range []string{"secret", ".env", "b", "../" + filepath.Base(dir) + "/secret", filepath.Join(dir, "secret"), ""} {
		if rc, err := f.Open(name); !errors.Is(err, fs.ErrNotExist) {
			rc.Close()
			t.Errorf("%q is opened: %v", name, err)
		}
	}
	rc, err := f.Open("z")
	if err != nil {
		t.Fatal(err)
	}
	defer rc.Close()
	if b, err := io.ReadAll(rc); err != nil || string(b) != "in b" {
		t.Errorf("read %q, %v", b, err)
	}
}
