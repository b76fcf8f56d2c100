package store

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

func open(t testing.TB) *Store {
	t.Helper()
	s, err := Open(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func put(t testing.TB, s *Store, content []byte) v1.Hash {
	t.Helper()
	w, err := s.Create()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Discard()
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	h, err := w.Commit(v1.Hash{})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// left fails the test if tmp or locks hold files.
func left(t *testing.T, s *Store) {
	t.Helper()
	for _, d := range []string{"tmp", "locks"} {
		entries, err := os.ReadDir(filepath.Join(s.Root(), d))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			t.Errorf("%s/%s is left", d, e.Name())
		}
	}
}

func TestBlob(t *testing.T) {
	s := open(t)
	h := put(t, s, []byte("content"))
	if want := "sha256:ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73"; h.String() != want {
		t.Errorf("hash %s, want %s", h, want)
	}
	if put(t, s, []byte("content")) != h {
		t.Error("the same content has another hash")
	}
	if size, ok := s.Has(h); !ok || size != 7 {
		t.Errorf("Has: %d, %t", size, ok)
	}
	f, err := s.Open(h)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if b, err := io.ReadAll(f); err != nil || string(b) != "content" {
		t.Errorf("Open: %q, %v", b, err)
	}
	r, err := s.Stream(h)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if b, err := io.ReadAll(r); err != nil || string(b) != "content" {
		t.Errorf("Stream: %q, %v", b, err)
	}
	if fi, err := os.Stat(s.Path(h)); err != nil || fi.Mode() != 0o444 {
		t.Errorf("mode %v, %v", fi.Mode(), err)
	}
	if err := errors.Join(s.Remove(h), s.Remove(h)); err != nil {
		t.Error(err)
	}
	if _, ok := s.Has(h); ok {
		t.Error("a removed blob is there")
	}
	if _, err := s.Open(h); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	left(t, s)
}

func TestCommitOfOtherContent(t *testing.T) {
	s := open(t)
	want := put(t, s, []byte("right"))
	if err := s.Remove(want); err != nil {
		t.Fatal(err)
	}
	w, err := s.Create()
	if err != nil {
		t.Fatal(err)
	}
	w.Write([]byte("wrong"))
	_, err = w.Commit(want)
	if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "expected "+want.String()+", got sha256:") {
		t.Error(err)
	}
	if _, ok := s.Has(want); ok {
		t.Error("the wrong content is stored")
	}
	left(t, s)
}

// TestBitFlip damages every byte of a blob in turn, and its length.
func TestBitFlip(t *testing.T) {
	s := open(t)
	content := []byte("thirty-two bytes of good content")
	damage := map[string][]byte{"truncated": content[:31], "longer": append(bytes.Clone(content), 0), "empty": nil}
	for i := range content {
		b := bytes.Clone(content)
		b[i] ^= 1 << (i % 8)
		damage["bit "+string(b)] = b
	}
	read := map[string]func(v1.Hash) error{
		"Verify": s.Verify,
		"Open": func(h v1.Hash) error {
			f, err := s.Open(h)
			if err == nil {
				f.Close()
			}
			return err
		},
		"Stream": func(h v1.Hash) error {
			r, err := s.Stream(h)
			if err != nil {
				return err
			}
			defer r.Close()
			_, err = io.Copy(io.Discard, r)
			return err
		},
	}
	for name, b := range damage {
		for how, read := range read {
			h := put(t, s, content)
			if err := errors.Join(os.Remove(s.Path(h)), os.WriteFile(s.Path(h), b, 0o444)); err != nil {
				t.Fatal(err)
			}
			if err := read(h); !errors.Is(err, ErrCorrupt) {
				t.Errorf("%s of %s: %v", how, name, err)
			}
			if _, ok := s.Has(h); ok {
				t.Errorf("%s of %s: the damaged blob is still there", how, name)
			}
		}
	}
}

// TestInvalidHash: a hash out of a hostile file names nothing outside.
func TestInvalidHash(t *testing.T) {
	s := open(t)
	outside := filepath.Join(filepath.Dir(s.Root()), "outside")
	if err := os.WriteFile(outside, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, h := range []v1.Hash{
		{},
		{Algorithm: "sha256", Hex: "../../../outside"},
		{Algorithm: "sha256", Hex: ".."},
		{Algorithm: "../..", Hex: "outside"},
		{Algorithm: "sha256", Hex: strings.Repeat("A", 64)},
		{Algorithm: "sha512", Hex: strings.Repeat("a", 64)},
	} {
		if _, ok := s.Has(h); ok {
			t.Errorf("Has %v", h)
		}
		if _, err := s.Stream(h); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Stream %v: %v", h, err)
		}
		if err := s.Remove(h); err != nil {
			t.Errorf("Remove %v: %v", h, err)
		}
	}
	if _, err := os.Stat(outside); err != nil {
		t.Error(err)
	}
}

// TestUnwritable uses a file in place of a folder, which stops root as well.
func TestUnwritable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, filepath.Join(file, "store"), "/proc/store"} {
		if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "set IMGBUILD_STORE to a folder that can be written") {
			t.Errorf("%s: %v", dir, err)
		}
	}
}

func TestDefaultDir(t *testing.T) {
	t.Setenv("IMGBUILD_STORE", "/a/store")
	if d, err := DefaultDir(); d != "/a/store" || err != nil {
		t.Error(d, err)
	}
	t.Setenv("IMGBUILD_STORE", "")
	t.Setenv("XDG_CACHE_HOME", "/cache")
	if d, err := DefaultDir(); d != "/cache/imgbuild" || err != nil {
		t.Error(d, err)
	}
	t.Setenv("XDG_CACHE_HOME", "")
	t.Setenv("HOME", "")
	if _, err := DefaultDir(); err == nil || !strings.Contains(err.Error(), "set IMGBUILD_STORE") {
		t.Error(err)
	}
}

// BenchmarkCommit writes blobs of 10 kB, as small packages are.
func BenchmarkCommit(b *testing.B) {
	s := open(b)
	content := make([]byte, 10000)
	for i := 0; b.Loop(); i++ {
		content[0], content[1], content[2] = byte(i), byte(i>>8), byte(i>>16)
		put(b, s, content)
	}
}
