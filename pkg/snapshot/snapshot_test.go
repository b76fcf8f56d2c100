package snapshot

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// old takes a snapshot as if the files had changed long ago.
func old(t *testing.T, o Options) Snapshot {
	t.Helper()
	s, err := take(t.Context(), o, time.Time{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func taken(t *testing.T, o Options) Snapshot {
	t.Helper()
	s, err := Take(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestChanges(t *testing.T) {
	tests := map[string]func(t *testing.T, dir string){
		"another text": func(t *testing.T, dir string) { write(t, dir+"/a/b.go", "two") },
		"the modification time set back": func(t *testing.T, dir string) {
			fi, err := os.Stat(dir + "/a/b.go")
			if err != nil {
				t.Fatal(err)
			}
			write(t, dir+"/a/b.go", "two")
			if err := os.Chtimes(dir+"/a/b.go", fi.ModTime(), fi.ModTime()); err != nil {
				t.Fatal(err)
			}
		},
		"a file more":   func(t *testing.T, dir string) { write(t, dir+"/a/c.go", "one") },
		"a file less":   func(t *testing.T, dir string) { os.Remove(dir + "/a/b.go") },
		"a folder more": func(t *testing.T, dir string) { os.Mkdir(dir+"/a/d", 0o755) },
		"a root that was not there": func(t *testing.T, dir string) {
			write(t, dir+"-work", "go 1.27")
			t.Cleanup(func() { os.Remove(dir + "-work") })
		},
		"the run bit":               func(t *testing.T, dir string) { os.Chmod(dir+"/a/b.go", 0o755) },
		"behind a link":             func(t *testing.T, dir string) { write(t, dir+"-target", "two") },
		"behind a link to a folder": func(t *testing.T, dir string) { write(t, dir+"-folder/c/d.go", "two") },
		"a link leads elsewhere":    func(t *testing.T, dir string) { os.Remove(dir + "/l"); os.Symlink("a/b.go", dir+"/l") },
		"a name":                    func(t *testing.T, dir string) { os.Rename(dir+"/a/b.go", dir+"/a/B.go") },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "m")
			write(t, dir+"/a/b.go", "one")
			write(t, dir+"-target", "one")
			write(t, dir+"-folder/c/d.go", "one")
			// One that leads out, one that leads to itself.
			if err := errors.Join(os.Symlink(dir+"-folder", dir+"/f"), os.Symlink("..", dir+"/a/up")); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(dir+"-target", dir+"/l"); err != nil {
				t.Fatal(err)
			}
			o := Options{Roots: []string{dir, dir + "-work"}}
			before, young := old(t, o), taken(t, o)
			if len(young.Read) < 3 || len(before.Read) != 0 {
				t.Errorf("read %q and %q", young.Read, before.Read)
			}
			for _, s := range []Snapshot{before, young} {
				if same, err := s.Same(t.Context(), o); err != nil || !same {
					t.Errorf("unchanged: %v, %v", same, err)
				}
			}
			change(t, dir)
			for _, s := range []Snapshot{before, young} {
				if same, err := s.Same(t.Context(), o); err == nil && same {
					t.Errorf("the change is not seen (read: %q)", s.Read)
				}
			}
		})
	}
}

// TestSameTick writes texts of one size over each other as fast as it can.
func TestSameTick(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.go")
	o := Options{Roots: []string{path}}
	for i := range 2000 {
		write(t, path, fmt.Sprintf("%08d", i))
		s := taken(t, o)
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(f, "%08d", i+1)
		f.Close()
		if same, err := s.Same(t.Context(), o); err != nil || same {
			t.Fatalf("%d: %v, %v", i, same, err)
		}
	}
}

func TestSkipAndMax(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/.git/x", "one")
	write(t, dir+"/a", "one")
	o := Options{Roots: []string{dir}, Skip: func(name string) bool { return name == ".git" }, Max: 1}
	s := taken(t, o)
	write(t, dir+"/.git/x", "another")
	if same, err := s.Same(t.Context(), o); err != nil || !same {
		t.Errorf("what is left out counts: %v, %v", same, err)
	}
	write(t, dir+"/b", "one")
	if _, err := Take(t.Context(), o); !errors.Is(err, ErrTooMany) {
		t.Errorf("got %v", err)
	}
}

func TestRoots(t *testing.T) {
	got := Roots("/b/c", "/b", "/a/..c", "/a", "/bb")
	if want := []string{"/a", "/b", "/bb"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
