package source_test

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/imgbuild/imgbuild/pkg/output"
	"github.com/imgbuild/imgbuild/pkg/source"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// FuzzLayout opens any file as a layout, once as a tar and once as a folder's
// index.json: an image whose manifest has its digest, or an error.
func FuzzLayout(f *testing.F) {
	f.Add([]byte(`{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef","size":1,"annotations":{"org.opencontainers.image.ref.name":"golang:1"}}]}`))
	f.Add([]byte(`{"manifests":null}`))
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	w.WriteHeader(&tar.Header{Name: "./index.json", Typeflag: tar.TypeReg, Size: 2, Format: tar.FormatPAX, PAXRecords: map[string]string{"A.b": "c"}})
	w.Write([]byte("{}"))
	w.Close()
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		st, err := store.Open(filepath.Join(dir, "store"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{filepath.Join(dir, "a.tar"), filepath.Join(dir, "index.json")} {
			if err := os.WriteFile(path, data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		for _, path := range []string{filepath.Join(dir, "a.tar"), dir} {
			s, err := source.Open(t.Context(), st, source.Name{Path: path}, "")
			if err != nil {
				continue
			}
			s.Close()
			if s.Image == nil && s.Index == nil {
				t.Errorf("%s: no image and no error", path)
			}
		}
	})
}

// TestOthersTar: a tar that another program packed, with folders, with ./ in
// front of names and in another order, is a layout too.
func TestOthersTar(t *testing.T) {
	dir := t.TempDir()
	img := images(t, "linux/amd64")[0]
	layout := filepath.Join(dir, "layout")
	if err := output.Write(t.Context(), output.Spec{Type: output.OCI, Dest: layout}, nil, []output.Image{{Name: "a", Image: img, Tags: []string{"1"}}}); err != nil {
		t.Fatal(err)
	}
	for _, format := range []tar.Format{tar.FormatPAX, tar.FormatGNU} {
		path := filepath.Join(dir, "other.tar")
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		err := filepath.WalkDir(layout, func(p string, e os.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := e.Info()
			if err != nil {
				return err
			}
			h, err := tar.FileInfoHeader(info, "")
			if err != nil {
				return err
			}
			rel, _ := filepath.Rel(layout, p)
			h.Name, h.Format = "./"+filepath.ToSlash(rel), format
			if format == tar.FormatPAX {
				h.PAXRecords = map[string]string{"IMGBUILD.test": "a record in front of the content"}
			}
			if err := w.WriteHeader(h); err != nil || e.IsDir() {
				return err
			}
			data, err := os.ReadFile(p)
			if err == nil {
				_, err = w.Write(data)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		w.Close()
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		st, to := newStore(t), newServer(t)
		src, err := open(t, st, path, "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := copyTo(t, st, src, to.host+"/a"); err != nil {
			t.Error(err)
		}
		if want, _ := img.Digest(); src.Digest != want {
			t.Errorf("%s, want %s", src.Digest, want)
		}
	}
}
