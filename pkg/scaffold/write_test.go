package scaffold_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/imgbuild/imgbuild/pkg/scaffold"
)

var some = []scaffold.File{{Path: "a", Data: []byte("A")}, {Path: "src/b", Data: []byte("B")}, {Path: "src/deep/c", Data: []byte("C")}}

// tree are the paths of all that is in a folder, with the content of files.
func tree(t *testing.T, dir string) (all []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		rel, _ := filepath.Rel(dir, path)
		all = append(all, rel+"="+string(data))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestWrite(t *testing.T) {
	whole := []string{"a=A", "src/b=B", "src/deep/c=C"}
	for name, at := range map[string]string{"new": "new", "deep": "new/er/est", "there": ".", "trailing": "new/"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := scaffold.Write(filepath.Join(dir, at), some); err != nil {
				t.Fatal(err)
			}
			if got := tree(t, filepath.Join(dir, at)); !slices.Equal(got, whole) {
				t.Error(got)
			}
			if got := tree(t, dir); len(got) != len(whole) {
				t.Errorf("something is left: %v", got)
			}
		})
	}
	t.Run("beside others", func(t *testing.T) {
		dir := t.TempDir()
		put(t, filepath.Join(dir, ".git/config"), "x")
		put(t, filepath.Join(dir, "src/other"), "x")
		if err := scaffold.Write(dir, some); err != nil {
			t.Fatal(err)
		}
		if got := tree(t, dir); len(got) != 5 {
			t.Error(got)
		}
	})
}

func TestWriteNeverOverwrites(t *testing.T) {
	for name, c := range map[string]struct {
		there func(t *testing.T, dir string)
		paths []string
	}{
		"the first": {func(t *testing.T, dir string) { put(t, filepath.Join(dir, "a"), "mine") }, []string{"a"}},
		"the last":  {func(t *testing.T, dir string) { put(t, filepath.Join(dir, "src/deep/c"), "mine") }, []string{"src/deep/c"}},
		"two": {func(t *testing.T, dir string) {
			put(t, filepath.Join(dir, "a"), "mine")
			put(t, filepath.Join(dir, "src/b"), "mine")
		}, []string{"a", "src/b"}},
		"a folder in the place of a file": {func(t *testing.T, dir string) { put(t, filepath.Join(dir, "a/x"), "mine") }, []string{"a"}},
		"a file in the place of a folder": {func(t *testing.T, dir string) { put(t, filepath.Join(dir, "src"), "mine") }, []string{"src"}},
		"a link to nowhere": {func(t *testing.T, dir string) {
			if err := os.Symlink("nowhere", filepath.Join(dir, "a")); err != nil {
				t.Fatal(err)
			}
		}, []string{"a"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			c.there(t, dir)
			before, _ := filepath.Glob(filepath.Join(dir, "*"))
			err := scaffold.Write(dir, some)
			exists, ok := errors.AsType[*scaffold.ExistsError](err)
			if !ok || !slices.Equal(exists.Paths, c.paths) || !strings.Contains(err.Error(), c.paths[0]) {
				t.Errorf("%v", err)
			}
			if after, _ := filepath.Glob(filepath.Join(dir, "*")); !slices.Equal(before, after) {
				t.Errorf("before %v, after %v", before, after)
			}
		})
	}
}

// A folder that leads out of the function's is not followed.
func TestWriteStaysInside(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	if err := os.Symlink(outside, filepath.Join(dir, "src")); err != nil {
		t.Fatal(err)
	}
	if err := scaffold.Write(dir, some); err == nil {
		t.Error("no error")
	}
	if got := tree(t, outside); len(got) > 0 {
		t.Error(got)
	}
	if _, err := os.Lstat(filepath.Join(dir, "a")); err == nil {
		t.Error("a was left")
	}
}

// What cannot be written whole is taken back.
func TestWriteTakesBack(t *testing.T) {
	dir := t.TempDir()
	long := append(slices.Clone(some), scaffold.File{Path: "src/" + strings.Repeat("x", 300)})
	for _, at := range []string{dir, filepath.Join(dir, "new")} {
		if err := scaffold.Write(at, long); err == nil {
			t.Error("no error")
		}
		if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
			t.Errorf("%v is left, %v", entries, err)
		}
	}
}
