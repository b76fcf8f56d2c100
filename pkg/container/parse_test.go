package container

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// fixedLayer is a layer of those bytes, whatever they are.
type fixedLayer struct {
	v1.Layer
	data []byte
}

func (l fixedLayer) Uncompressed() (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(l.data)), nil
}

// FuzzLayer: no layer gets a file out of its folder, or an error that is not
// one.
func FuzzLayer(f *testing.F) {
	for _, entries := range [][]tar.Header{
		{{Name: "a/", Typeflag: tar.TypeDir, Mode: 0o755}, {Name: "a/../../b", Typeflag: tar.TypeReg, Mode: 0o644}},
		{{Name: "l", Linkname: "/", Typeflag: tar.TypeSymlink}, {Name: "l/../../x", Typeflag: tar.TypeReg}, {Name: "l/.wh.l", Typeflag: tar.TypeReg}},
		{{Name: "l", Linkname: "../..", Typeflag: tar.TypeSymlink}, {Name: "h", Linkname: "l/l/outside", Typeflag: tar.TypeLink}, {Name: ".wh..wh..opq", Typeflag: tar.TypeReg}},
		{{Name: "p", Typeflag: tar.TypeFifo}, {Name: "p/q", Typeflag: tar.TypeReg}, {Name: "..", Typeflag: tar.TypeSymlink, Linkname: "x"}},
	} {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for _, h := range entries {
			if err := w.WriteHeader(&h); err != nil {
				f.Fatal(err)
			}
		}
		w.Close()
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		outside := filepath.Join(dir, "outside")
		if err := os.WriteFile(outside, []byte("untouched"), 0o644); err != nil {
			t.Fatal(err)
		}
		inside := filepath.Join(dir, "inside")
		if err := os.Mkdir(inside, 0o755); err != nil {
			t.Fatal(err)
		}
		tree, err := newTree(inside)
		if err != nil {
			t.Fatal(err)
		}
		defer tree.close()
		tree.owners = false
		if tree.apply(t.Context(), fixedLayer{data: data}, v1.Hash{}) == nil {
			t.Error("a layer that is not what it says was taken")
		}
		_ = tree.finish()
		if b, err := os.ReadFile(outside); string(b) != "untouched" || err != nil {
			t.Errorf("a file outside is %q, %v", b, err)
		}
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) != 2 {
			t.Errorf("beside the folder there is %v, %v", entries, err)
		}
		_ = filepath.WalkDir(inside, func(path string, d fs.DirEntry, _ error) error {
			if d != nil && d.IsDir() {
				_ = os.Chmod(path, 0o700)
			}
			return nil
		})
	})
}

// FuzzUser: no passwd and group files of an image break the start, or give
// numbers that are none.
func FuzzUser(f *testing.F) {
	f.Add("root", "root:x:0:0:root:/root:/bin/sh\n", "root:x:0:\n")
	f.Add("app:web", "app:x:1:2:::\n", "web:x:3:app,root\n")
	f.Add("7:8", "::::::\nx:x:-1:-1:::\n", ":::\n")
	f.Fuzz(func(t *testing.T, spec, passwd, group string) {
		u, err := lookUp(spec, strings.NewReader(passwd), strings.NewReader(group))
		if err == nil && (u.uid < 0 || u.gid < 0) {
			t.Errorf("%q is user %d:%d", spec, u.uid, u.gid)
		}
		if err == nil && u.home == "" {
			t.Errorf("%q has no home", spec)
		}
	})
}

func TestLimits(t *testing.T) {
	h := &tar.Header{Name: "f", Typeflag: tar.TypeReg, Size: maxBytes + 1}
	tree, err := newTree(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer tree.close()
	if err := tree.entry(h, strings.NewReader(""), map[string]bool{}); err == nil || !strings.Contains(err.Error(), "unpacks to more than") {
		t.Errorf("%v", err)
	}
	tree.entries = maxEntries
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Name: "f", Typeflag: tar.TypeReg}); err != nil {
		t.Fatal(err)
	}
	if err := tree.apply(t.Context(), fixedLayer{data: b.Bytes()}, v1.Hash{}); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("%v", err)
	}
}

// TestUnavailable: the error says which setting of the machine is in the way.
func TestUnavailable(t *testing.T) {
	old := restrictions
	defer func() { restrictions = old }()
	setting := filepath.Join(t.TempDir(), "setting")
	for n := range old {
		restrictions = old[n : n+1 : n+1]
		restrictions = append(restrictions[:0:0], restrictions...)
		restrictions[0].path = setting
		if err := os.WriteFile(setting, []byte(old[n].value+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		err := unavailable(syscall.EPERM)
		if !errors.Is(err, ErrUnavailable) || !errors.Is(err, syscall.EPERM) || !strings.HasSuffix(err.Error(), "sysctl -w "+old[n].set) {
			t.Errorf("with %s=%s: %v", old[n].path, old[n].value, err)
		}
	}
	restrictions = nil
	for cause, says := range map[error]string{syscall.EPERM: "outside of a container", syscall.ENOSYS: "this kernel has no user namespaces"} {
		if err := unavailable(cause); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), says) {
			t.Errorf("%v: %v", cause, err)
		}
	}
}

func TestMessages(t *testing.T) {
	a, b, err := socketPair(syscall.SOCK_SEQPACKET)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	long := fmt.Errorf("%s: %w", strings.Repeat("x", 100000), errNotPlaced)
	if err := send(a, message{Failure: failureOf(long)}, file, file); err != nil {
		t.Fatal(err)
	}
	m, files, err := receive(b)
	if err != nil || len(files) != 2 || m.Failure == nil || !strings.HasPrefix(m.Failure.Text, "xxx") {
		t.Fatalf("%.100v, %v, %v", m, files, err)
	}
	if !errors.Is(m.Failure, errNotPlaced) || errors.Is(m.Failure, errNoOverlay) {
		t.Errorf("it is another error on this side: kind %d", m.Failure.Kind)
	}
	if errors.Is(failureOf(io.EOF), errNoOverlay) {
		t.Error("any error is the first of the kinds")
	}
	closeAll(files)
	a.Close()
	if _, _, err := receive(b); err != io.EOF {
		t.Errorf("after the end: %v", err)
	}
}
