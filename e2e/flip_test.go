package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"
)

// slimStore returns a store of the test's own from which slimGo is built at
// once, and the digest line that it gives.
func slimStore(t testing.TB) (want, store string) {
	t.Helper()
	store = filepath.Join(t.TempDir(), "store")
	copyStore(t, store)
	return run{}.ok(t, slimGo), store
}

// slimBlobs are the blobs of slimGo's layers.
func slimBlobs(t testing.TB, store string) []string {
	t.Helper()
	layout := filepath.Join(t.TempDir(), "layout")
	run{store: store}.ok(t, slimGo, "--output", "type=oci,dest="+layout)
	var found []string
	for _, h := range layersOf(t, onlyImage(t, layout)) {
		if _, err := os.Stat(filepath.Join(store, "blobs", "sha256", h.Hex)); err == nil {
			found = append(found, h.Hex)
		}
	}
	if len(found) != 2 {
		t.Fatalf("%d layers of %s in the store, want 2", len(found), slimGo)
	}
	return found
}

// flip changes one bit of a file; place is from 0, its begin, to 1, its end.
// The whole file is kept beside for putBack.
func flip(t testing.TB, path string, place float64) {
	t.Helper()
	data := []byte(readText(t, path))
	before := append([]byte(nil), data...)
	data[int(float64(len(data)-1)*place)] ^= 0x04
	replace(t, path, data)
	kept[path] = before
}

var kept = map[string][]byte{}

func putBack(t testing.TB, path string) {
	t.Helper()
	replace(t, path, kept[path])
}

func replace(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) { // blobs are read-only
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func remove(t testing.TB, path string) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
}

// entries are the paths of the files in a folder.
func entries(t testing.TB, dir string) []string {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil || len(list) == 0 {
		t.Fatalf("%s has %d files: %v", dir, len(list), err)
	}
	var paths []string
	for _, e := range list {
		paths = append(paths, filepath.Join(dir, e.Name()))
	}
	return paths
}

func sum(t testing.TB, path string) string {
	t.Helper()
	h := sha256.Sum256([]byte(readText(t, path)))
	return hex.EncodeToString(h[:])
}
