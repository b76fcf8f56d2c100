package bundle

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// FuzzManifest: any manifest is refused, or lists inputs that can be asked for.
func FuzzManifest(f *testing.F) {
	b, err := os.ReadFile("testdata/manifest.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"annotations":{"io.github.imgbuild.bundle":"1"},"layers":[{}]}`))
	f.Add([]byte(`{"layers":[{"digest":"sha256:"}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := parse(b)
		if err != nil {
			return
		}
		if c.folder.Size > maxFolder || c.folder.Digest.Algorithm != "sha256" {
			t.Errorf("the folder is %+v", c.folder)
		}
		for h, d := range c.inputs {
			if h != d.Digest || h.Algorithm != "sha256" || d.Size <= 0 || d.Size > maxInput || len(d.URLs) > 0 {
				t.Errorf("%s is %+v", h, d)
			}
		}
	})
}

// FuzzExtract: any folder writes below its own only, regular files of limited size.
func FuzzExtract(f *testing.F) {
	f.Add(gzipped(f, tarOf(f, []entry{
		{tar.Header{Name: "image.yaml", Typeflag: tar.TypeReg}, []byte("name: x")},
		{tar.Header{Name: "keyrings/", Typeflag: tar.TypeDir}, nil},
	})))
	f.Add(gzipped(f, tarOf(f, []entry{{tar.Header{Name: "../../x", Typeflag: tar.TypeReg}, []byte("x")}})))
	f.Add(gzipped(f, tarOf(f, []entry{{tar.Header{Name: "x", Typeflag: tar.TypeSymlink, Linkname: ".."}, nil}})))
	f.Fuzz(func(t *testing.T, b []byte) {
		parent := t.TempDir()
		if err := os.Mkdir(parent+"/in", 0o755); err != nil {
			t.Fatal(err)
		}
		root, err := os.OpenRoot(parent + "/in")
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		_ = extract(bytes.NewReader(b), root)
		if beside, _ := os.ReadDir(parent); len(beside) != 1 {
			t.Errorf("%v is outside", beside)
		}
		err = filepath.WalkDir(parent+"/in", func(path string, d os.DirEntry, err error) error {
			if err == nil && !d.IsDir() && !d.Type().IsRegular() {
				t.Errorf("%s is a %s", path, d.Type())
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
}
