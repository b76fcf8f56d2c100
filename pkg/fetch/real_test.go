package fetch

import (
	"strings"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/mirror"
)

// TestRealMirrors fetches a small file of each archive from where this machine
// is configured to fetch from.
func TestRealMirrors(t *testing.T) {
	m, err := mirror.New(mirror.Options{})
	if err != nil {
		t.Fatal(err)
	}
	st := openStore(t)
	f, err := New(st, m, Stall(20*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ archive, path, begins, absent string }{
		{mirror.Debian, "dists/trixie/InRelease", "-----BEGIN PGP SIGNED MESSAGE-----", "dists/trixie/no-such-file"},
		{mirror.DebianSecurity, "dists/trixie-security/InRelease", "-----BEGIN PGP SIGNED MESSAGE-----", "dists/trixie-security/no-such-file"},
		{mirror.Go, "golang.org/toolchain/@v/v0.0.1-go1.24.0.linux-amd64.mod", "module golang.org/toolchain", "golang.org/toolchain/@v/v0.0.1-go1.0.99.linux-amd64.zip"},
		{mirror.NPM, "isarray/-/isarray-2.0.5.tgz", "\x1f\x8b", "isarray/-/isarray-99.99.99.tgz"},
	} {
		t.Run(tt.archive, func(t *testing.T) {
			t.Parallel()
			b, err := f.Get(t.Context(), tt.archive, tt.path, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(string(b), tt.begins) {
				t.Fatalf("%s begins with %.40q", tt.path, b)
			}
			in := lock.Input{Name: tt.path, Version: "now", Archive: tt.archive, Path: tt.path}
			fetched(t, st, f, in, b) // as when locking
			in.SHA256, in.Size = input(b).SHA256, int64(len(b))
			if err := st.Remove(hash(t, in)); err != nil {
				t.Fatal(err)
			}
			fetched(t, st, f, in, b) // as when building
			for path, want := range map[string]bool{tt.path: true, tt.absent: false} {
				if got, err := f.Exists(t.Context(), tt.archive, path); err != nil || got != want {
					t.Errorf("%s exists: %t, %v", path, got, err)
				}
			}
		})
	}
}
