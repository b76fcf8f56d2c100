package definition

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func extractBytes(t testing.TB, packed []byte, dir string) error {
	t.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	return extract(bytes.NewReader(packed), root, 6<<20)
}

func TestExtractRefuses(t *testing.T) {
	tarOf := func(hs ...*tar.Header) []byte {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		w := tar.NewWriter(z)
		for _, h := range hs {
			if err := w.WriteHeader(h); err != nil {
				t.Fatal(err)
			}
			if _, err := io.CopyN(w, zeros{}, h.Size); err != nil {
				t.Fatal(err)
			}
		}
		w.Close()
		z.Close()
		return b.Bytes()
	}
	file := func(name string) *tar.Header { return &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o4777} }
	many := make([]*tar.Header, MaxFolderFiles+1)
	for i := range many {
		many[i] = &tar.Header{Typeflag: tar.TypeDir, Name: "a"}
	}
	for name, v := range map[string]struct {
		packed []byte
		want   string
	}{
		"above":           {tarOf(file("../x")), "leads out of the folder"},
		"above, inside":   {tarOf(file("a/../../x")), "leads out of the folder"},
		"absolute":        {tarOf(file("/etc/x")), "leads out of the folder"},
		"symbolic link":   {tarOf(&tar.Header{Typeflag: tar.TypeSymlink, Name: "a", Linkname: "/etc"}, file("a/x")), "neither a file nor a folder"},
		"hard link":       {tarOf(file("b"), &tar.Header{Typeflag: tar.TypeLink, Name: "a", Linkname: "b"}), "neither a file nor a folder"},
		"device":          {tarOf(&tar.Header{Typeflag: tar.TypeChar, Name: "a", Devmajor: 1, Devminor: 3}), "neither a file nor a folder"},
		"pipe":            {tarOf(&tar.Header{Typeflag: tar.TypeFifo, Name: "a"}), "neither a file nor a folder"},
		"the folder":      {tarOf(file(".")), "neither a file nor a folder"},
		"twice":           {tarOf(file("a"), file("./a")), "file exists"},
		"below a file":    {tarOf(file("a"), file("a/b")), "file exists"},
		"too many":        {tarOf(many...), "more than 10000 files"},
		"a bomb":          {tarOf(&tar.Header{Typeflag: tar.TypeReg, Name: "a", Size: 16 << 20}), "more than"},
		"no gzip":         {[]byte("hello"), "EOF"},
		"cut off":         {tarOf(&tar.Header{Typeflag: tar.TypeReg, Name: "a", Size: 1 << 20})[:500], "EOF"},
		"no tar":          {gzipped([]byte(strings.Repeat("x", 2000))), "invalid tar header"},
		"behind the gzip": {append(tarOf(file("a")), "x"...), ""},
	} {
		dir := t.TempDir()
		err := extractBytes(t, v.packed, dir)
		if v.want == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), v.want) {
			t.Errorf("%s: error %v; want one with %q", name, err, v.want)
		}
	}
	// No file is more than a plain one.
	dir := t.TempDir()
	if err := extractBytes(t, tarOf(file("a")), dir); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(dir, "a")); err != nil || info.Mode()&^0o644 != 0 {
		t.Errorf("%v %v", info.Mode(), err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func gzipped(b []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	z.Write(b)
	z.Close()
	return out.Bytes()
}

// Whatever is extracted, nothing is written outside of the folder.
func FuzzExtract(f *testing.F) {
	var plain bytes.Buffer
	w := tar.NewWriter(&plain)
	for _, h := range []*tar.Header{{Typeflag: tar.TypeDir, Name: "a/"}, {Typeflag: tar.TypeReg, Name: "a/b", Size: 1}, {Typeflag: tar.TypeSymlink, Name: "c", Linkname: ".."}} {
		if err := w.WriteHeader(h); err != nil {
			f.Fatal(err)
		}
		if _, err := io.CopyN(w, zeros{}, h.Size); err != nil {
			f.Fatal(err)
		}
	}
	f.Add(plain.Bytes())
	f.Fuzz(func(t *testing.T, plain []byte) {
		above := t.TempDir()
		dir := filepath.Join(above, "in")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		_ = extractBytes(t, gzipped(plain), dir)
		entries, err := os.ReadDir(above)
		if err != nil || len(entries) != 1 {
			t.Errorf("%v %v", entries, err)
		}
		err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() && !d.Type().IsRegular() {
				t.Errorf("%s is a %s", d.Name(), d.Type())
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
}
