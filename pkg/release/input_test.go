package release_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/imgbuild/imgbuild/pkg/release"
	"github.com/imgbuild/imgbuild/pkg/sign"
	"github.com/imgbuild/imgbuild/pkg/store"
)

func openStore(t *testing.T, dir string) *store.Store {
	t.Helper()
	s, err := store.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if flag.Lookup("update").Value.String() == "true" {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s (-update writes it anew): %s", path, d)
	}
}

// What can not be written is said before any work.
func TestReportThatCanNotBeWritten(t *testing.T) {
	for name, make := range map[string]func(w *world){
		"is a folder": func(w *world) {
			if err := os.Mkdir(filepath.Join(w.dir, "release.json"), 0o755); err != nil {
				w.t.Fatal(err)
			}
		},
		"is in a file": func(w *world) {
			w.write("file", "")
			w.edit("name: test", "name: test\nreport: file/release.json")
		},
		"is no report":           func(w *world) { w.write("release.json", "[]") },
		"is of another imgbuild": func(w *world) { w.write("release.json", `{"schema": 99}`) },
	} {
		w := newWorld(t, 1, "")
		make(w)
		if _, err := w.run(); err == nil || !strings.Contains(err.Error(), "report") && !strings.Contains(err.Error(), "schema 99") {
			t.Errorf("%s: %v", name, err)
		}
		if log, _ := w.servers[0].changes(); len(log) > 0 {
			t.Errorf("%s: changed %v", name, log)
		}
	}
}

func TestCatalogueThatIsAFile(t *testing.T) {
	w := newWorld(t, 1, "")
	w.write("page", "")
	if _, err := w.run(); err == nil || !strings.Contains(err.Error(), "page is not a folder") {
		t.Error(err)
	}
	if log, _ := w.servers[0].changes(); len(log) > 0 {
		t.Errorf("changed %v", log)
	}
}

func TestProveOnWhatNoImageIsFor(t *testing.T) {
	w := newWorld(t, 1, "")
	w.edit("platforms: [linux/amd64, linux/arm64]", "platforms: [linux/amd64]")
	w.edit("name: test", "name: test\nprove: [linux/arm64]")
	c, err := release.ReadFile(filepath.Join(w.dir, "release.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := release.Select(w.dir, c); err == nil || !strings.Contains(err.Error(), "prove asks for linux/arm64") {
		t.Error(err)
	}
}

// randomKey is a key in a service: its signatures differ each time.
type randomKey struct {
	*ecdsa.PrivateKey
	asked int
}

func (k *randomKey) Sign(_ context.Context, payload []byte) ([]byte, error) {
	k.asked++
	sum := sha256.Sum256(payload)
	return ecdsa.SignASN1(rand.Reader, k.PrivateKey, sum[:])
}

// A key service is asked once for each thing to be signed, whatever the number
// of regions and runs, and every region gets the same.
func TestKeyService(t *testing.T) {
	w := newWorld(t, 3, "")
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key := &randomKey{PrivateKey: private}
	w.key = key
	w.ok()
	// 2 images: signatures of the index and 2 manifests, provenance of each,
	// and a bill of materials for each platform.
	if key.asked != 2*(3+3+2) {
		t.Errorf("asked %d times", key.asked)
	}
	if res := w.ok(); !res.Unchanged || key.asked != 16 {
		t.Errorf("asked %d times: %+v", key.asked, res)
	}
}

// Another key signs beside the first one, whose signatures stay.
func TestAnotherKey(t *testing.T) {
	w := newWorld(t, 1, "")
	first := w.ok()
	writeKey(t, filepath.Join(w.dir, "cosign.key"))
	second := w.ok()
	if second.Signed == 0 || second.Moved != 0 || second.Sent != 0 || first.Report.PublicKey == second.Report.PublicKey {
		t.Errorf("%+v", second)
	}
	if res := w.ok(); !res.Unchanged {
		t.Errorf("%+v", res)
	}
}

var _ sign.Key = (*randomKey)(nil)
