package rootfs

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/imgbuild/imgbuild/pkg/deb/debtest"
)

// memSink keeps the entries of a small layer and the rules of layer.Sink.
type memSink struct {
	order   []string
	entries map[string]*tar.Header
	content map[string]string
}

func newSink() *memSink {
	return &memSink{entries: map[string]*tar.Header{}, content: map[string]string{}}
}

func (s *memSink) Add(h *tar.Header, r io.Reader) error {
	if h.Name != path.Clean(h.Name) || path.IsAbs(h.Name) || h.Name == "." || strings.HasPrefix(h.Name, "../") {
		return fmt.Errorf("name %q", h.Name)
	}
	if s.entries[h.Name] != nil {
		return fmt.Errorf("%s: added twice", h.Name)
	}
	if up := path.Dir(h.Name); up != "." && (s.entries[up] == nil || s.entries[up].Typeflag != tar.TypeDir) {
		return fmt.Errorf("%s: its folder was not added before", h.Name)
	}
	if (h.Typeflag == tar.TypeReg) != (r != nil) {
		return fmt.Errorf("%s: type %q and content %v", h.Name, h.Typeflag, r)
	}
	if h.Typeflag == tar.TypeLink && s.content[h.Linkname] == "" {
		return fmt.Errorf("%s: hard link to %s, which was not added", h.Name, h.Linkname)
	}
	if r != nil {
		b, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		if int64(len(b)) != h.Size {
			return fmt.Errorf("%s: %d bytes, header says %d", h.Name, len(b), h.Size)
		}
		s.content[h.Name] = string(b)
	}
	c := *h
	s.entries[h.Name] = &c
	s.order = append(s.order, h.Name)
	return nil
}

// listing is a line for each entry, in the order they were added.
func (s *memSink) listing() string {
	var b strings.Builder
	for _, p := range s.order {
		h := s.entries[p]
		fmt.Fprintf(&b, "%s %c %04o %d:%d %s", p, h.Typeflag, h.Mode, h.Uid, h.Gid, h.ModTime.UTC().Format("2006-01-02T15:04:05"))
		switch h.Typeflag {
		case tar.TypeReg:
			fmt.Fprintf(&b, " %d %.8x", h.Size, sha256.Sum256([]byte(s.content[p])))
		case tar.TypeLink, tar.TypeSymlink:
			fmt.Fprintf(&b, " -> %s", h.Linkname)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// closing counts what is open.
type closing struct {
	*bytes.Reader
	open *int
}

func (c closing) Close() error { *c.open--; return nil }

// packages makes Packages of fixtures. The returned func fails the test if
// one was left open.
func packages(t testing.TB, debs ...debtest.Deb) []Package {
	t.Helper()
	var out []Package
	for _, d := range debs {
		b := d.Bytes(t)
		open := new(int)
		t.Cleanup(func() {
			if *open != 0 {
				t.Errorf("package %s was left open %d times", d.Name, *open)
			}
		})
		out = append(out, Package{Name: d.Name, Version: d.Version, Arch: d.Arch, Open: func() (ReadAtCloser, error) {
			*open++
			return closing{bytes.NewReader(b), open}, nil
		}})
	}
	return out
}

// write builds the packages and returns what came out.
func write(t *testing.T, opt Options, debs ...debtest.Deb) (*memSink, error) {
	t.Helper()
	s := newSink()
	opt.TempDir = t.TempDir()
	_, err := Write(t.Context(), s, packages(t, debs...), opt)
	if left, _ := os.ReadDir(opt.TempDir); len(left) > 0 {
		t.Errorf("temporary files were left: %v", left)
	}
	return s, err
}

func mustWrite(t *testing.T, opt Options, debs ...debtest.Deb) *memSink {
	t.Helper()
	s, err := write(t, opt, debs...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// wantError checks that the error says all of the words.
func wantError(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one with %q", words)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q does not say %q", err, w)
		}
	}
}

func pkg(name string, entries ...debtest.Entry) debtest.Deb {
	suffix := ".gz"
	return debtest.Deb{Name: name, Version: "1.0-1", Arch: "amd64", Suffix: &suffix,
		Entries: slices.Concat([]debtest.Entry{debtest.Dir("./", 0o755)}, entries)}
}

func with(d debtest.Deb, fields ...string) debtest.Deb {
	d.Fields = append(slices.Clone(d.Fields), fields...)
	return d
}

func script(d debtest.Deb, name, text string) debtest.Deb {
	c := map[string]string{name: text}
	for k, v := range d.Control {
		c[k] = v
	}
	d.Control = c
	return d
}
