package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/lock"
)

// slimGo is what the tests below damage: the smallest image.
const slimGo = "golang:slim"

// A flipped bit in an input: fetched again, or without a network reported.
func TestDamagedInput(t *testing.T) {
	want, store := slimStore(t)
	var l lock.Lock
	readJSON(t, filepath.Join(testtool.ModuleRoot(), "images", "golang", "image.lock"), &l)
	i := slices.IndexFunc(l.Inputs, func(in lock.Input) bool { return in.Name == "ca-certificates" })
	if i < 0 {
		t.Fatal("the lock has no ca-certificates")
	}
	path := filepath.Join(store, "blobs", "sha256", l.Inputs[i].SHA256)
	run := run{store: store}

	flip(t, path, 0.5)
	remove(t, filepath.Join(store, "records", "layer"))
	s := run.do(t, slimGo, "--offline")
	if s.code != 1 || s.stdout != "" || !strings.Contains(s.stderr, "ca-certificates") || !strings.Contains(s.stderr, "offline") {
		t.Errorf("offline: exit %d, %q, %s", s.code, s.stdout, s.stderr)
	}
	putBack(t, path)

	flip(t, path, 0.5)
	if got := run.ok(t, slimGo); got != want {
		t.Errorf("built %s, want %s", got, want)
	}
	if sum(t, path) != l.Inputs[i].SHA256 {
		t.Error("the damaged package is still in the store")
	}
}

// A flipped bit in a layer's blob or in the shim, at its begin or end: never
// delivered, and made again.
func TestDamagedBlobs(t *testing.T) {
	want, store := slimStore(t)
	run := run{store: store}
	for _, place := range []float64{0, 0.4, 1} {
		for _, blob := range slimBlobs(t, store) {
			t.Run(fmt.Sprintf("%s at %g", blob[:12], place), func(t *testing.T) {
				path := filepath.Join(store, "blobs", "sha256", blob)
				flip(t, path, place)
				layout := filepath.Join(t.TempDir(), "layout")
				if got := run.ok(t, slimGo, "--output", "type=oci,dest="+layout); got != want {
					t.Errorf("built %s, want %s", got, want)
				}
				for _, e := range entries(t, filepath.Join(layout, "blobs", "sha256")) {
					if sum(t, e) != filepath.Base(e) {
						t.Errorf("delivered a damaged %s", e)
					}
				}
				if sum(t, path) != blob {
					t.Error("the damaged blob is still in the store")
				}
			})
		}
	}
}

// A flipped bit in the shim's own blob, where its layer has to be made: the
// shim is compiled again.
func TestDamagedShim(t *testing.T) {
	want, store := slimStore(t)
	var shims []string
	for _, e := range entries(t, filepath.Join(store, "blobs", "sha256")) {
		if strings.HasPrefix(readText(t, e), "\x7fELF") {
			shims = append(shims, e)
			flip(t, e, 0.7)
		}
	}
	if len(shims) < 2 {
		t.Fatalf("%d ELF files in the store, want the shim for two platforms", len(shims))
	}
	remove(t, filepath.Join(store, "records", "layer"))
	// What was compiled for it is kept, as on the disk of whoever lost a bit.
	if err := os.CopyFS(filepath.Join(store, "go-build"), os.DirFS(filepath.Join(sharedStore, "go-build"))); err != nil {
		t.Fatal(err)
	}
	if got := (run{store: store}).ok(t, slimGo); got != want {
		t.Errorf("built %s, want %s", got, want)
	}
}

// A flipped bit in a record is a record that is not there.
func TestDamagedRecords(t *testing.T) {
	want, store := slimStore(t)
	for _, kind := range []string{"layer", "shim"} {
		for _, e := range entries(t, filepath.Join(store, "records", kind)) {
			flip(t, e, 0.8)
		}
	}
	if err := os.CopyFS(filepath.Join(store, "go-build"), os.DirFS(filepath.Join(sharedStore, "go-build"))); err != nil {
		t.Fatal(err)
	}
	if got := (run{store: store}).ok(t, slimGo); got != want {
		t.Errorf("built %s, want %s", got, want)
	}
}

// A flipped bit anywhere in a lock is found before anything is fetched.
func TestDamagedLock(t *testing.T) {
	pushed(t)
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(testtool.ModuleRoot(), "images", "golang"))); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "image.lock")
	whole := readText(t, path)
	run{}.ok(t, dir+":slim")
	const places = 60
	for i := range places {
		flip(t, path, float64(i)/(places-1))
		s := run{store: filepath.Join(t.TempDir(), "unused")}.do(t, dir+":slim", "--offline")
		if s.code != 1 || s.stdout != "" || !strings.Contains(s.stderr, "image.lock") {
			t.Errorf("bit %d of %d: exit %d, %q, %s", i, places, s.code, s.stdout, s.stderr)
		}
		if err := os.WriteFile(path, []byte(whole), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	// A whole lock, but of another definition.
	definition := filepath.Join(dir, "image.yaml")
	changed := strings.Replace(readText(t, definition), "/code", "/elsewhere", 1)
	if err := os.WriteFile(definition, []byte(changed), 0o644); err != nil {
		t.Fatal(err)
	}
	s := run{}.do(t, dir+":slim")
	if s.code != 1 || !strings.Contains(s.stderr, "imgbuild lock") {
		t.Errorf("a lock of another definition: exit %d, %s", s.code, s.stderr)
	}
}
