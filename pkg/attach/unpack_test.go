package attach

import (
	"bytes"
	"crypto"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/imgbuild/imgbuild/pkg/definition"
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
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := definition.Extract(bytes.NewReader(packed), root); err != nil {
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
