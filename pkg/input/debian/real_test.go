package debian

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/fetch"
	"github.com/imgbuild/imgbuild/pkg/mirror"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// realSource reads this machine's mirrors, in the way the commands do.
func realSource(t testing.TB) (Source, *store.Store) {
	t.Helper()
	st, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	m, err := mirror.New(mirror.Options{})
	if err != nil {
		t.Fatal(err)
	}
	f, err := fetch.New(st, m)
	if err != nil {
		t.Fatal(err)
	}
	return f, st
}

// realArchive opens trixie from this machine's mirror.
func realArchive(t testing.TB, arch string) *Archive {
	t.Helper()
	src, st := realSource(t)
	a, err := Open(t.Context(), src, st, "trixie", arch)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// Every relation in Debian can be read, and its own keys signed each suite.
func TestRealArchive(t *testing.T) {
	testtool.Whole(t)
	a := realArchive(t, "arm64")
	if len(a.byName) < 50_000 {
		t.Errorf("only %d packages", len(a.byName))
	}
	for _, versions := range a.byName {
		for _, rec := range versions {
			for _, field := range []string{"Pre-Depends", "Depends", "Provides", "Conflicts", "Breaks"} {
				if _, err := rec.relations(field); err != nil {
					t.Error(err)
				}
			}
		}
	}
	keys := map[string]string{
		"trixie": "04B54C3CDCA79751B16BC6B5225629DF75B188BD", "trixie-updates": "04B54C3CDCA79751B16BC6B5225629DF75B188BD",
		"trixie-security": "5E04A1E3223A19A20706E20F9904613D4CCE68C6",
	}
	for _, s := range a.Archives() {
		if !slices.Contains(s.SignedBy, keys[s.Suite]) {
			t.Errorf("%s is not signed by its own key: %v", s.Suite, s.SignedBy)
		}
	}
	req := request("+ apt ca-certificates tzdata")
	first, err := a.Resolve(req)
	if err != nil {
		t.Fatal(err)
	}
	second, err := realArchive(t, "arm64").Resolve(req)
	if d := cmp.Diff(first, second); err != nil || d != "" {
		t.Errorf("read again, it resolves in another way: %v %s", err, d)
	}
}

func BenchmarkOpen(b *testing.B) {
	src, st := realSource(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Open(b.Context(), src, st, "trixie", "amd64"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkResolve(b *testing.B) {
	a := realArchive(b, "amd64")
	req := request("+ apt ca-certificates tzdata")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Resolve(req); err != nil {
			b.Fatal(err)
		}
	}
}
