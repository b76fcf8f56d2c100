package inputtest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/imgbuild/imgbuild/pkg/store"
)

// Store returns an empty store that goes away with the test.
func Store(t testing.TB) *store.Store {
	t.Helper()
	return open(t, t.TempDir())
}

// SharedStore returns a store for real downloads, which test runs share, so
// that each is made once. It is in IMGBUILD_TEST_STORE, else in the user's
// cache folder.
func SharedStore(t testing.TB) *store.Store {
	t.Helper()
	dir := os.Getenv("IMGBUILD_TEST_STORE")
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			t.Fatal(err)
		}
		dir = filepath.Join(cache, "imgbuild-test")
	}
	return open(t, dir)
}

func open(t testing.TB, dir string) *store.Store {
	t.Helper()
	st, err := store.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return st
}
