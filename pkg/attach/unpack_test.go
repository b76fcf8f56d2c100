package attach

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/imgbuild/imgbuild/pkg/sign"
)

func public(k sign.Key) []crypto.PublicKey { return []crypto.PublicKey{k.Public()} }

// A definition's folder comes back as it was.
func TestPackUnpack(t *testing.T) {
	files := map[string][]byte{"image.yaml": []byte("name: tiny\n"), "image.lock": bytes.Repeat([]byte("lock\n"), 100_000), "a/b/c": nil, "ü": []byte("x")}
	packed, err := pack(files)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := unpackBytes(t, packed, dir); err != nil {
		t.Fatal(err)
	}
	n := 0
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		n++
		name, _ := filepath.Rel(dir, path)
		got, err := os.ReadFile(path)
		if want, ok := files[filepath.ToSlash(name)]; !ok || !bytes.Equal(got, want) {
			t.Errorf("%s differs", name)
		}
		return err
	})
	if err != nil || n != len(files) {
		t.Errorf("%d files, %v", n, err)
	}
}

func unpackBytes(t testing.TB, packed []byte, dir string) error {
	t.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	return unpack(bytes.NewReader(packed), root, 1<<20)
}

func TestUnpackRefuses(t *testing.T) {
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
	many := make([]*tar.Header, maxSourceFiles+2)
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
		err := unpackBytes(t, v.packed, dir)
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
	if err := unpackBytes(t, tarOf(file("a")), dir); err != nil {
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

// Whatever is unpacked, nothing is written outside of the folder.
func FuzzUnpack(f *testing.F) {
	packed, err := pack(map[string][]byte{"image.yaml": []byte("name: tiny\n"), "a/b": []byte("b")})
	if err != nil {
		f.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		f.Fatal(err)
	}
	plain, err := io.ReadAll(z)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(plain)
	f.Fuzz(func(t *testing.T, plain []byte) {
		above := t.TempDir()
		dir := filepath.Join(above, "in")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		_ = unpackBytes(t, gzipped(plain), dir)
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
