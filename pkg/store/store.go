// Package store is imgbuild's cache on disk: blobs by their SHA-256 and small
// records by key. Every write is atomic (written aside, synced, renamed), so a
// kill -9 at any moment and a second process beside this one do no harm.
//
// Layout under the root:
//
//	blobs/sha256/<hex>     verified content, read-only
//	records/<kind>/<hex>   JSON, <hex> = SHA-256 of the key
//	partial/<name>         downloads that have not ended, kept to be resumed
//	tmp/                   files being written; stale ones are swept
//	locks/<name>           advisory locks
package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// ErrCorrupt is wrapped by errors that report content whose hash is not the
// one it is stored under. The damaged blob has been removed.
var ErrCorrupt = errors.New("content differs from its digest")

// Store is a cache in one directory.
type Store struct{ root string }

// DefaultDir returns IMGBUILD_STORE, else imgbuild in the user's cache
// directory (XDG_CACHE_HOME, else ~/.cache).
func DefaultDir() (string, error) {
	if d := os.Getenv("IMGBUILD_STORE"); d != "" {
		return filepath.Abs(d)
	}
	c, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding a place for the store: %w; set IMGBUILD_STORE to a folder that can be written", err)
	}
	return filepath.Join(c, "imgbuild"), nil
}

// Open opens the store in dir and makes it if it is not there.
func Open(dir string) (*Store, error) {
	for _, d := range []string{"blobs/sha256", "records", "partial", "tmp", "locks"} {
		if err := os.MkdirAll(filepath.Join(dir, filepath.FromSlash(d)), 0o755); err != nil {
			return nil, fmt.Errorf("opening the store: %w; set IMGBUILD_STORE to a folder that can be written", err)
		}
	}
	return &Store{root: dir}, nil
}

// Root is the store's directory.
func (s *Store) Root() string { return s.root }

// Path returns where the blob h is, or would be, on disk. Callers that read
// the file themselves get unverified bytes; use Open.
func (s *Store) Path(h v1.Hash) string {
	return filepath.Join(s.root, "blobs", h.Algorithm, h.Hex)
}

// Has says whether the blob is there, and its size in bytes.
func (s *Store) Has(h v1.Hash) (size int64, ok bool) {
	fi, err := os.Stat(s.Path(h))
	if err != nil || !fi.Mode().IsRegular() {
		return 0, false
	}
	return fi.Size(), true
}

// Verify reads the blob and compares its hash. A damaged blob is removed and
// reported as ErrCorrupt; an absent one as fs.ErrNotExist.
func (s *Store) Verify(h v1.Hash) error {
	f, err := os.Open(s.Path(h))
	if err != nil {
		return err
	}
	defer f.Close()
	got, _, err := v1.SHA256(f)
	if err != nil {
		return fmt.Errorf("reading %s from the store: %w", h, err)
	}
	if got != h {
		os.Remove(s.Path(h))
		return fmt.Errorf("%s in the store: %w", h, ErrCorrupt)
	}
	return nil
}

// Open returns the verified blob: it is read once to compare its hash before
// the first byte is given out. Close the file after use.
func (s *Store) Open(h v1.Hash) (*os.File, error) {
	if err := s.Verify(h); err != nil {
		return nil, err
	}
	return os.Open(s.Path(h))
}

// Stream returns the blob without reading it first. It is verified as it is
// read: where the hash is wrong the last Read returns ErrCorrupt instead of
// io.EOF, and the blob is removed.
func (s *Store) Stream(h v1.Hash) (io.ReadCloser, error) {
	f, err := os.Open(s.Path(h))
	if err != nil {
		return nil, err
	}
	return newVerifyingReader(f, h, func() { os.Remove(s.Path(h)) }), nil
}

// Writer writes one blob. Exactly one of Commit and Discard ends it; Discard
// after Commit does nothing.
type Writer struct {
	s *Store
	f *os.File
	h hashWriter
}

// Create begins a blob.
func (s *Store) Create() (*Writer, error) {
	f, err := os.CreateTemp(filepath.Join(s.root, "tmp"), "blob-*")
	if err != nil {
		return nil, fmt.Errorf("writing to the store: %w", err)
	}
	return &Writer{s: s, f: f, h: newHashWriter()}, nil
}

// Write adds to the blob.
func (w *Writer) Write(p []byte) (int, error) {
	n, err := w.f.Write(p)
	w.h.Write(p[:n])
	return n, err
}

// Commit makes the blob visible under its hash, which it returns. Where want
// is not the zero Hash and differs, nothing is stored and ErrCorrupt returned.
func (w *Writer) Commit(want v1.Hash) (v1.Hash, error) {
	defer w.Discard()
	got := w.h.Hash()
	if want != (v1.Hash{}) && got != want {
		return v1.Hash{}, fmt.Errorf("expected %s, got %s: %w", want, got, ErrCorrupt)
	}
	if err := publish(w.f, w.s.Path(got), 0o444); err != nil {
		return v1.Hash{}, fmt.Errorf("writing %s to the store: %w", got, err)
	}
	w.f = nil
	return got, nil
}

// Discard throws the blob away.
func (w *Writer) Discard() {
	if w.f != nil {
		w.f.Close()
		os.Remove(w.f.Name())
		w.f = nil
	}
}

// TempFile returns a new file in the store's tmp folder, for work that must
// survive in no case. The caller closes and removes it.
func (s *Store) TempFile(pattern string) (*os.File, error) {
	return os.CreateTemp(filepath.Join(s.root, "tmp"), pattern)
}

// TempDir is TempFile for a folder.
func (s *Store) TempDir(pattern string) (string, error) {
	return os.MkdirTemp(filepath.Join(s.root, "tmp"), pattern)
}

// Remove deletes a blob; an absent one is no error.
func (s *Store) Remove(h v1.Hash) error {
	if err := os.Remove(s.Path(h)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
