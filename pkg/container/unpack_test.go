package container_test

import (
	"archive/tar"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/container"
)

var stamp = time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)

// listing is each file of a tree: type and mode, name, and content or target.
func listing(t testing.TB, root string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		line := fmt.Sprintf("%s %s", fi.Mode(), rel)
		switch {
		case fi.Mode().IsRegular():
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" = %.40s", b)
		case fi.Mode()&fs.ModeSymlink != 0:
			to, _ := os.Readlink(path)
			line += " -> " + to
		}
		all = append(all, line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestLayersLieOverEachOther(t *testing.T) {
	for _, test := range []struct {
		name   string
		layers [][]entry
		want   []string
	}{
		{"a later file wins", [][]entry{{{name: "a", content: "1"}}, {{name: "a", content: "2", mode: 0o600}}}, []string{"-rw------- a = 2"}},
		{"modes", [][]entry{{{name: "d/", mode: 0o1777}, {name: "d/s", mode: 0o4755}, {name: "r/", mode: 0o750}, {name: "r/f", mode: 0o400}}},
			[]string{"dtrwxrwxrwx d", "urwxr-xr-x d/s = ", "drwxr-x--- r", "-r-------- r/f = "}},
		{"whiteout", [][]entry{{{name: "d/a"}, {name: "d/b"}, {name: "e/f/g"}}, {{name: "d/.wh.a"}, {name: ".wh.e"}}}, []string{"drwxr-xr-x d", "-rwxr-xr-x d/b = "}},
		{"a whiteout leaves its own layer alone", [][]entry{{{name: "a", content: "old"}}, {{name: "a", content: "new"}, {name: ".wh.a"}}}, []string{"-rwxr-xr-x a = new"}},
		{"a whiteout behind what its own layer has in that folder", [][]entry{{{name: "a/old"}, {name: "a/s/old"}}, {{name: "a/s/new"}, {name: ".wh.a"}}},
			[]string{"drwxr-xr-x a", "drwxr-xr-x a/s", "-rwxr-xr-x a/s/new = "}},
		{"opaque", [][]entry{{{name: "d/a"}, {name: "d/s/b"}, {name: "d/s/c"}}, {{name: "d/s/c", content: "new"}, {name: "d/.wh..wh..opq"}, {name: "d/n"}}},
			[]string{"drwxr-xr-x d", "-rwxr-xr-x d/n = ", "drwxr-xr-x d/s", "-rwxr-xr-x d/s/c = new"}},
		{"a folder becomes a file and a file a folder", [][]entry{{{name: "d/a"}, {name: "f"}}, {{name: "d", content: "now a file"}, {name: "f/x"}}},
			[]string{"-rwxr-xr-x d = now a file", "drwxr-xr-x f", "-rwxr-xr-x f/x = "}},
		{"through links, as the image's processes see them", [][]entry{{{name: "usr/lib/"}, {name: "lib", to: "usr/lib"}, {name: "var/run", to: "/run"}, {name: "run/"}}, {{name: "lib/x"}, {name: "var/run/y"}}},
			[]string{"Lrwxrwxrwx lib -> usr/lib", "drwxr-xr-x run", "-rwxr-xr-x run/y = ", "drwxr-xr-x usr", "drwxr-xr-x usr/lib", "-rwxr-xr-x usr/lib/x = ", "drwxr-xr-x var", "Lrwxrwxrwx var/run -> /run"}},
		{"a link is replaced, not followed", [][]entry{{{name: "a", content: "kept"}, {name: "l", to: "a"}}, {{name: "l", content: "new"}}}, []string{"-rwxr-xr-x a = kept", "-rwxr-xr-x l = new"}},
		{"hard links", [][]entry{{{name: "a", content: "x"}, {name: "b", to: "a", kind: tar.TypeLink}}}, []string{"-rwxr-xr-x a = x", "-rwxr-xr-x b = x"}},
		{"devices are left out, pipes are not", [][]entry{{{name: "null", kind: tar.TypeChar}, {name: "p", kind: tar.TypeFifo, mode: 0o600}}}, []string{"prw------- p"}},
		{"names that lead out", [][]entry{{{name: "../../a"}, {name: "/b"}, {name: "up", to: "../../../.."}, {name: "root", to: "/"}}, {{name: "up/c"}, {name: "root/d"}, {name: "x/../../../e"}}},
			[]string{"-rwxr-xr-x a = ", "-rwxr-xr-x b = ", "-rwxr-xr-x c = ", "-rwxr-xr-x d = ", "-rwxr-xr-x e = ", "Lrwxrwxrwx root -> /", "Lrwxrwxrwx up -> ../../../.."}},
		{"above what a link points to", [][]entry{{{name: "a/b/"}, {name: "l", to: "a/b/../c"}, {name: "a/c/"}, {name: "m", to: "l/../d"}, {name: "a/d/"}}, {{name: "m/x"}}},
			[]string{"drwxr-xr-x a", "drwxr-xr-x a/b", "drwxr-xr-x a/c", "drwxr-xr-x a/d", "-rwxr-xr-x a/d/x = ", "Lrwxrwxrwx l -> a/b/../c", "Lrwxrwxrwx m -> l/../d"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var layers []v1.Layer
			for _, l := range test.layers {
				layers = append(layers, layerOf(t, l...))
			}
			img := imageOf(t, v1.Config{}, layers...)
			r := unpack(t, openStore(t), img)
			if diff := cmp.Diff(test.want, listing(t, r.Path())); diff != "" {
				t.Error(diff)
			}
			changing, err := container.UnpackChanging(t.Context(), openStore(t), img)
			if err != nil {
				t.Fatal(err)
			}
			defer changing.Close()
			if diff := cmp.Diff(test.want, listing(t, changing.Path())); diff != "" {
				t.Errorf("over linked files: %s", diff)
			}
		})
	}
}

func TestOwnersAndTimes(t *testing.T) {
	r := unpack(t, openStore(t), imageOf(t, v1.Config{}, layerOf(t,
		entry{name: "d/", uid: 7, gid: 8}, entry{name: "d/f", uid: 9, gid: 10, mode: 0o4755, pax: map[string]string{"SCHILY.xattr.user.note": "kept"}})))
	for name, want := range map[string][2]uint32{"d": {7, 8}, "d/f": {9, 10}} {
		fi, err := os.Lstat(filepath.Join(r.Path(), name))
		if err != nil {
			t.Fatal(err)
		}
		if !fi.ModTime().Equal(stamp) {
			t.Errorf("%s is of %s", name, fi.ModTime())
		}
		if os.Geteuid() != 0 {
			want = [2]uint32{uint32(os.Geteuid()), uint32(os.Getegid())}
		}
		if st := fi.Sys().(*syscall.Stat_t); st.Uid != want[0] || st.Gid != want[1] {
			t.Errorf("%s belongs to %d:%d, want %v", name, st.Uid, st.Gid, want)
		}
	}
	if os.Geteuid() == 0 {
		b := make([]byte, 10)
		if n, err := syscall.Getxattr(filepath.Join(r.Path(), "d/f"), "user.note", b); err != nil || string(b[:n]) != "kept" {
			t.Errorf("the extended attribute is %q, %v", b[:max(n, 0)], err)
		}
	}
}

// lying is a layer whose diffID is another's.
type lying struct {
	v1.Layer
	diffID v1.Hash
}

func (l lying) DiffID() (v1.Hash, error) { return l.diffID, nil }

func TestBadImagesLeaveNothing(t *testing.T) {
	honest := layerOf(t, entry{name: "a"})
	other, err := layerOf(t, entry{name: "b"}).DiffID()
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		layer v1.Layer
		says  string
	}{
		"another content":        {lying{honest, other}, "its content has the SHA-256"},
		"links in a circle":      {layerOf(t, entry{name: "a", to: "b"}, entry{name: "b", to: "a"}, entry{name: "a/x"}), "too many symbolic links"},
		"a hard link to nothing": {layerOf(t, entry{name: "a", to: "b", kind: tar.TypeLink}), "no such file"},
		"an unknown kind":        {layerOf(t, entry{name: "a", kind: 'V'}), "type 'V'"},
	} {
		t.Run(name, func(t *testing.T) {
			s := openStore(t)
			_, err := container.Unpack(t.Context(), s, imageOf(t, v1.Config{}, test.layer))
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("%v, want %q", err, test.says)
			}
			expectEmpty(t, filepath.Join(s.Root(), "tmp"))
			for _, line := range listing(t, filepath.Join(s.Root(), "rootfs")) {
				if !strings.HasSuffix(line, ".use = ") {
					t.Errorf("left behind: %s", line)
				}
			}
		})
	}
}

func expectEmpty(t testing.TB, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if len(entries) > 0 {
		t.Errorf("in %s there is %v", dir, entries)
	}
}

func TestUnpackedOnce(t *testing.T) {
	s := openStore(t)
	img := imageOf(t, v1.Config{Env: []string{"A=1"}}, layerOf(t, entry{name: "a", content: "x"}))
	var all sync.WaitGroup
	var mu sync.Mutex
	var roots []*container.Rootfs
	for range 8 {
		all.Go(func() {
			r, err := container.Unpack(t.Context(), s, img)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			roots = append(roots, r)
		})
	}
	all.Wait()
	for _, r := range roots {
		if r.Path() != roots[0].Path() || !slices.Equal(r.Config().Env, []string{"A=1"}) {
			t.Errorf("%s and %s", r.Path(), roots[0].Path())
		}
	}
	for n, r := range roots {
		if err := r.Remove(t.Context()); err != nil {
			t.Fatal(err)
		}
		_, err := os.Stat(r.Path())
		if last := n == len(roots)-1; last != errors.Is(err, fs.ErrNotExist) {
			t.Errorf("after %d of %d have let go: %v", n+1, len(roots), err)
		}
	}
	expectEmpty(t, filepath.Join(s.Root(), "rootfs"))
}

// TestRemovalCutOff: what a removal left that was cut off is in nobody's way.
func TestRemovalCutOff(t *testing.T) {
	s := openStore(t)
	r := unpack(t, s, imageOf(t, v1.Config{}, layerOf(t, entry{name: "f"})))
	if err := os.MkdirAll(filepath.Join(filepath.Dir(r.Path())+".gone", "fs"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := r.Remove(t.Context()); err != nil {
		t.Error(err)
	}
	expectEmpty(t, filepath.Join(s.Root(), "rootfs"))
}

func TestUnusedFilesAreSwept(t *testing.T) {
	s := openStore(t)
	old := unpack(t, s, imageOf(t, v1.Config{}, layerOf(t, entry{name: "old/", mode: 0o555}, entry{name: "old/f"})))
	used := unpack(t, s, imageOf(t, v1.Config{}, layerOf(t, entry{name: "used"})))
	long := time.Now().Add(-15 * 24 * time.Hour)
	half := filepath.Join(s.Root(), "rootfs", "half.gone")
	if err := os.MkdirAll(filepath.Join(half, "fs"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{filepath.Dir(old.Path()), filepath.Dir(used.Path()), half} {
		if err := os.Chtimes(dir, long, long); err != nil {
			t.Fatal(err)
		}
	}
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	fresh := unpack(t, s, imageOf(t, v1.Config{}, layerOf(t, entry{name: "fresh"})))
	for path, want := range map[string]bool{old.Path(): false, half: false, used.Path(): true, fresh.Path(): true} {
		if _, err := os.Stat(path); (err == nil) != want {
			t.Errorf("%s: %v, want it there: %t", path, err, want)
		}
	}
}

func TestLook(t *testing.T) {
	r := unpack(t, openStore(t), imageOf(t, v1.Config{Env: []string{"PATH=/none:/bin"}}, layerOf(t,
		entry{name: "usr/bin/tool", content: "x"}, entry{name: "bin", to: "/usr/bin"}, entry{name: "usr/bin/plain", mode: 0o644},
		entry{name: "etc/passwd", content: "root:x:0:0:root:/root:/bin/sh\napp:x:12:34::/home:\n"}, entry{name: "etc/group", content: "app:x:34:\nweb:x:56:\n"},
		entry{name: "etc/shadow", to: "../../../../../../etc/passwd"}, entry{name: "loop", to: "loop"})))
	for name, want := range map[string]bool{"tool": true, "/bin/tool": true, "plain": false, "none": false, "/usr/bin": false, "/loop": false} {
		if r.Has(name) != want {
			t.Errorf("Has(%q) is %t", name, !want)
		}
	}
	b := make([]byte, 7)
	f, err := r.Open("/etc/shadow")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Read(b); err != nil || string(b) != "root:x:" {
		t.Errorf("a link that leads out of the image leads to %q, %v", b, err)
	}
	for spec, want := range map[string]string{
		"": "0 0", "root": "0 0", "app": "12 34", "app:web": "12 56", "12": "12 34", "99": "99 0", "99:7": "99 7", "0:web": "0 56",
		"nobody": `the image's user "nobody" is not in its /etc/passwd`, "app:none": `the image's group "none" is not in its /etc/group`, "-1": `the image's user "-1" is not one`,
	} {
		uid, gid, err := r.User(spec)
		if got := fmt.Sprint(uid, " ", gid); err == nil && got != want || err != nil && err.Error() != want {
			t.Errorf("user %q is %s, %v; want %s", spec, got, err, want)
		}
	}
}

// Another last layer over the same below: what is below stays as it is, and its
// files are the same ones in all.
func TestUnpackChanging(t *testing.T) {
	s := openStore(t)
	below := layerOf(t, entry{name: "d/", mode: 0o750}, entry{name: "d/a", content: "old"}, entry{name: "d/b", content: "kept"})
	var kept []fs.FileInfo
	for _, text := range []string{"one", "two"} {
		r, err := container.UnpackChanging(t.Context(), s, imageOf(t, v1.Config{}, below, layerOf(t, entry{name: "d/a", content: text})))
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		want := []string{"drwxr-x--- d", "-rwxr-xr-x d/a = " + text, "-rwxr-xr-x d/b = kept"}
		if diff := cmp.Diff(want, listing(t, r.Path())); diff != "" {
			t.Error(diff)
		}
		fi, err := os.Stat(filepath.Join(r.Path(), "d/b"))
		if err != nil {
			t.Fatal(err)
		}
		kept = append(kept, fi)
	}
	if !os.SameFile(kept[0], kept[1]) {
		t.Error("a file of both is there twice")
	}
	r := unpack(t, s, imageOf(t, v1.Config{}, below))
	if diff := cmp.Diff([]string{"drwxr-x--- d", "-rwxr-xr-x d/a = old", "-rwxr-xr-x d/b = kept"}, listing(t, r.Path())); diff != "" {
		t.Errorf("what is below has changed: %s", diff)
	}
}
