package step

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/container"
	"github.com/imgbuild/imgbuild/pkg/input/inputtest"
	"github.com/imgbuild/imgbuild/pkg/layer"
)

// epoch is when the commands of these tests ran, as they are told.
var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// before is the tree that the commands change.
const before = `
mkdir -p etc/app/deep usr/bin var/empty opt/tree/a/b
chmod 750 etc/app; chmod 1777 var/empty
printf one > etc/app/one; printf two > etc/app/two; printf deep > etc/app/deep/file
printf tool > usr/bin/tool; chmod 755 usr/bin/tool
ln usr/bin/tool usr/bin/same; ln -s tool usr/bin/link
printf x > opt/tree/a/b/x
find . -exec touch -h -d 2020-01-01T00:00:00Z {} +
`

// Each command changes a copy of that tree. Its layer, laid over the tree as it
// was, must give the tree as it is after the command, times of what did not
// change apart.
func TestDifference(t *testing.T) {
	testtool.NeedRoot(t)
	for name, command := range map[string]string{
		"nothing":                `true`,
		"times alone":            `find . -exec touch -h {} +`,
		"a new file":             `umask 077; printf new > etc/app/new`,
		"content, same size":     `printf TWO > etc/app/two; touch -d 2020-01-01T00:00:00Z etc/app/two`,
		"content, larger":        `printf more >> etc/app/two`,
		"mode":                   `chmod 4711 usr/bin/tool`,
		"owner":                  `chown -h 7:8 usr/bin/link etc/app/one`,
		"mode of a folder":       `chmod 700 var/empty`,
		"owner of a folder":      `chown 1:2 etc/app`,
		"removed":                `rm etc/app/one`,
		"a folder removed":       `rm -r opt/tree etc/app`,
		"a folder made anew":     `rm -r etc/app; mkdir -m 750 etc/app; printf 3 > etc/app/three`,
		"a folder to a file":     `rm -r opt/tree; printf t > opt/tree`,
		"a file to a folder":     `rm etc/app/one; mkdir -p etc/app/one/sub; printf f > etc/app/one/sub/f`,
		"a folder to a link":     `mv etc/app etc/app2; ln -s app2 etc/app`,
		"a link to a folder":     `rm usr/bin/link; mkdir usr/bin/link; printf in > usr/bin/link/in`,
		"a link elsewhere":       `ln -sfn same usr/bin/link`,
		"hard links":             `printf l > opt/l1; ln opt/l1 opt/l2; ln opt/l1 etc/l0`,
		"a link to an old file":  `ln usr/bin/tool usr/bin/third`,
		"renamed":                `mv etc/app/deep etc/app/shallow`,
		"old times stay":         `printf o > opt/old; touch -d 1999-12-31T23:59:59Z opt/old; printf f > opt/future; touch -d 2100-01-01T00:00:00Z opt/future`,
		"mounts of the builder":  `mkdir dev proc sys run`,
		"a folder run with more": `mkdir run dev; printf p > run/pid`,
		"odd names": `mkdir 'opt/a b'; printf 1 > 'opt/a b/ü.wh.'; printf 2 > opt/-n; printf 3 > "opt/new
line"`,
	} {
		t.Run(name, func(t *testing.T) {
			lower, upper := trees(t, command)
			l := difference(t, lower, upper)
			inputtest.Golden(t, filepath.Join("difference", strings.NewReplacer(" ", "-", ",", "").Replace(name)+".txt"), listing(t, l))
			if err := container.Apply(t.Context(), lower, l, l.Record().DiffID); err != nil {
				t.Fatal(err)
			}
			if name == "mounts of the builder" {
				shell(t, upper, "rmdir dev proc sys run")
			}
			if name == "a folder run with more" {
				shell(t, upper, "rmdir dev")
			}
			if d := cmp.Diff(tree(t, upper), tree(t, lower)); d != "" {
				t.Errorf("the layer over the old tree is not the new one (-want +got):\n%s", d)
			}
		})
	}
}

// Attributes that are set, changed and taken away, on files and folders.
func TestDifferenceOfAttributes(t *testing.T) {
	testtool.NeedRoot(t)
	// cap_net_bind_service=ep (linux/capability.h, struct vfs_cap_data).
	const mayBind = "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	lower, upper := trees(t, "true")
	set := func(path, key, value string) {
		t.Helper()
		if err := unix.Lsetxattr(path, key, []byte(value), 0); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{lower, upper} {
		set(filepath.Join(dir, "etc/app/two"), "user.note", "before")
		set(filepath.Join(dir, "opt/tree"), "user.note", "before")
		set(filepath.Join(dir, "opt/tree/a/b/x"), "user.note", "stays")
	}
	set(filepath.Join(upper, "usr/bin/tool"), "security.capability", mayBind)
	set(filepath.Join(upper, "usr/bin/tool"), "trusted.note", "is not for layers")
	set(filepath.Join(upper, "var/empty"), "user.note", "folder")
	set(filepath.Join(upper, "etc/app/two"), "user.note", "after")
	if err := unix.Lremovexattr(filepath.Join(upper, "opt/tree"), "user.note"); err != nil {
		t.Fatal(err)
	}
	inputtest.Golden(t, "difference/attributes.txt", listing(t, difference(t, lower, upper)))
}

// The same command on another day gives the same layer.
func TestDifferenceIsReproducible(t *testing.T) {
	testtool.NeedRoot(t)
	const command = `date > opt/when.not; rm opt/when.not; printf n > etc/app/new; mkdir opt/dir; ln etc/app/new opt/dir/new; rm usr/bin/link`
	lower, upper := trees(t, command)
	a := difference(t, lower, upper)
	time.Sleep(1100 * time.Millisecond)
	lower, upper = trees(t, command)
	b := difference(t, lower, upper)
	if a.Record() != b.Record() {
		t.Errorf("%+v\n%+v", a.Record(), b.Record())
	}
	if !a.Record().Newest.Equal(epoch) {
		t.Errorf("the newest file is of %s", a.Record().Newest)
	}
}

// Sockets are left out, and what a layer cannot hold is an error.
func TestDifferenceOfSpecialFiles(t *testing.T) {
	testtool.NeedRoot(t)
	lower, upper := trees(t, `rm etc/app/one`)
	for _, path := range []string{"etc/app/one", "opt/new.sock"} {
		s, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(upper, path)})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
	}
	inputtest.Golden(t, "difference/sockets.txt", listing(t, difference(t, lower, upper)))
	for command, want := range map[string]string{
		`mkfifo opt/pipe`:                              "the command made /opt/pipe, which is no file, folder or link",
		`mknod opt/null c 1 3`:                         "the command made /opt/null, which is no file, folder or link",
		`mkdir opt/n; mknod opt/n/d b 7 0`:             "the command made /opt/n/d, ",
		`printf x > etc/.wh.passwd`:                    "the command made /etc/.wh.passwd, a name that layers keep",
		`mkdir opt/new; printf x > opt/new/.wh..wh.pl`: "the command made /opt/new/.wh..wh.pl, a name that layers keep",
	} {
		lower, upper := trees(t, command)
		_, err := Difference{Lower: lower, Upper: upper, Date: epoch}.layer(t.Context(), inputtest.Store(t), layer.Gzip)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", command, err)
		}
	}
	// A device that was there before is another one now.
	lower, upper = trees(t, "true")
	shell(t, lower, "mknod opt/dev c 1 3")
	shell(t, upper, "mknod opt/dev c 1 3")
	if got := listing(t, difference(t, lower, upper)); got != "" {
		t.Errorf("the same device is in the layer: %s", got)
	}
	shell(t, upper, "rm opt/dev; mknod opt/dev c 1 5")
	if _, err := (Difference{Lower: lower, Upper: upper, Date: epoch}).layer(t.Context(), inputtest.Store(t), layer.Gzip); err == nil {
		t.Error("another device was taken")
	}
}

func TestDifferenceRefuses(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("stop")
	cancel(stop)
	lower, upper := t.TempDir(), t.TempDir()
	shell(t, upper, "printf x > x")
	if _, err := (Difference{Lower: lower, Upper: upper, Date: epoch}).layer(ctx, inputtest.Store(t), layer.Gzip); !errors.Is(err, stop) {
		t.Errorf("got %v", err)
	}
	_, err := Difference{Lower: lower, Upper: upper, Date: time.Now().Add(time.Hour)}.layer(t.Context(), inputtest.Store(t), layer.Gzip)
	if err == nil || !strings.Contains(err.Error(), "is in the future") {
		t.Errorf("got %v", err)
	}
	if _, err := (Difference{Lower: lower + "/none", Upper: upper}).layer(t.Context(), inputtest.Store(t), layer.Gzip); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// trees are a tree and its copy that the command has changed.
func trees(t *testing.T, command string) (lower, upper string) {
	t.Helper()
	dir := t.TempDir()
	lower, upper = filepath.Join(dir, "lower"), filepath.Join(dir, "upper")
	if err := os.Mkdir(lower, 0o755); err != nil {
		t.Fatal(err)
	}
	shell(t, lower, before)
	if out, err := exec.Command("cp", "-a", lower, upper).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	shell(t, upper, command)
	return lower, upper
}

func shell(t *testing.T, dir, command string) {
	t.Helper()
	cmd := exec.Command("sh", "-ec", "umask 022\n"+command)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", command, err, out)
	}
}

func difference(t *testing.T, lower, upper string) *layer.Layer {
	t.Helper()
	l, err := Difference{Lower: lower, Upper: upper, Date: epoch}.layer(t.Context(), inputtest.Store(t), layer.Gzip)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// listing is what a layer holds, an entry a line.
func listing(t *testing.T, l *layer.Layer) string {
	t.Helper()
	r, err := l.Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var out strings.Builder
	for entries := tar.NewReader(r); ; {
		h, err := entries.Next()
		if err == io.EOF {
			return out.String()
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(entries)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "%c %04o %d:%d %s %q", h.Typeflag, h.Mode, h.Uid, h.Gid, h.ModTime.UTC().Format(time.RFC3339), h.Name)
		if h.Linkname != "" {
			fmt.Fprintf(&out, " -> %s", h.Linkname)
		}
		if len(content) > 0 {
			fmt.Fprintf(&out, " %q", content)
		}
		for _, k := range slices.Sorted(mapKeys(h.PAXRecords)) {
			fmt.Fprintf(&out, " %s=%q", k, h.PAXRecords[k])
		}
		out.WriteString("\n")
	}
}

func mapKeys(m map[string]string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if strings.HasPrefix(k, "SCHILY.xattr.") && !yield(k) {
				return
			}
		}
	}
}

// tree is a folder for comparison, without times.
func tree(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == dir {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		st := fi.Sys().(*syscall.Stat_t)
		line := fmt.Sprintf("%s %s %d:%d", strings.TrimPrefix(p, dir), fi.Mode(), st.Uid, st.Gid)
		switch {
		case fi.Mode().IsRegular():
			b, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" %q", b)
		case fi.Mode()&fs.ModeSymlink != 0:
			to, _ := os.Readlink(p)
			line += " -> " + to
		}
		for _, k := range []string{"user.note", "security.capability"} {
			v := make([]byte, 100)
			if n, err := unix.Lgetxattr(p, k, v); err == nil {
				line += fmt.Sprintf(" %s=%q", k, v[:n])
			}
		}
		out = append(out, line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
