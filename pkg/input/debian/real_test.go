package debian

import (
	"testing"

	"github.com/imgbuild/imgbuild/pkg/store"
)

// realArchive opens trixie from this machine's mirror.
func realArchive(t testing.TB, arch string) *Archive {
	t.Helper()
	st, err := store.Open("/tmp/debian/store")
	if err != nil {
		t.Fatal(err)
	}
	a, err := Open(t.Context(), newHTTPSource(t, st), st, "trixie", arch)
	if err != nil {
		t.Fatal(err)
	}
	return a
}
