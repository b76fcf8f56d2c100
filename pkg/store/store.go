// Package store is imgbuild's cache on disk: blobs by their SHA-256 and small
// records by key. Every file is written aside and renamed, so a kill -9 at any
// moment and a second process beside this one do no harm; every file is
// verified when it is read, so a power cut or a bad disk costs a second
// download and never a wrong image.
//
// Layout under the root:
//
//	blobs/sha256/<hex>     content under its hash, read-only
//	records/<kind>/<hex>   JSON, <hex> = SHA-256 of the key
//	partial/<name>         downloads that have not ended, kept to be resumed
//	tools/<hex>/           programs unpacked by package toolbox
//	tmp/                   files being written; stale ones are swept
//	locks/<name>           advisory locks that are held
package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// ErrCorrupt is wrapped by errors that report content whose hash is not the
// one it is stored under. The damaged blob has been removed.
var ErrCorrupt = errors.New("content differs from its digest")

// Store is a cache in one directory. It is safe for concurrent use, also by
// several processes.
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

// Open opens the store in dir, makes it if it is not there, and sweeps what
// killed processes left in it.
func Open(dir string) (*Store, error) {
	s := &Store{root: dir}
	for _, d := range []string{"blobs/sha256", "records", "partial", "tmp", "locks"} {
		if err := os.MkdirAll(filepath.Join(dir, filepath.FromSlash(d)), 0o755); err != nil {
			return nil, fmt.Errorf("opening the store: %w; set IMGBUILD_STORE to a folder that can be written", err)
		}
	}
	s.sweep(time.Now())
	return s, nil
}

// Root is the store's directory.
func (s *Store) Root() string { return s.root }

// Path returns where the blob h is, or would be, on disk. Callers that read
// the file themselves get unverified bytes; use Open. A hash that is not a
// SHA-256 in lower-case hex gets a path where no file ever is.
func (s *Store) Path(h v1.Hash) string {
	if !valid(h) {
		return filepath.Join(s.root, "blobs", "invalid")
	}
	return filepath.Join(s.root, "blobs", h.Algorithm, h.Hex)
}

// Has says whether the blob is there, and its size in bytes. Its content is
// not read.
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
	f, err := s.Open(h)
	if err != nil {
		return err
	}
	return f.Close()
}

// Open returns the verified blob: it is read once to compare its hash before
// the first byte is given out. Close the file after use. Errors are as for
// Verify.
func (s *Store) Open(h v1.Hash) (*os.File, error) {
	f, err := os.Open(s.Path(h))
	if err != nil {
		return nil, err
	}
	if err := s.check(f, h); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func (s *Store) check(f *os.File, h v1.Hash) error {
	got := newHashWriter()
	if _, err := io.Copy(got, f); err != nil {
		return fmt.Errorf("reading %s from the store: %w", h, err)
	}
	if got.Hash() != h {
		os.Remove(s.Path(h))
		return fmt.Errorf("%s in the store: %w", h, ErrCorrupt)
	}
	_, err := f.Seek(0, io.SeekStart)
	return err
}

// Stream returns the blob without reading it first. It is verified as it is
// read: where the hash is wrong the last Read returns ErrCorrupt instead of
// io.EOF, and the blob is removed. A caller that stops before io.EOF has
// verified nothing.
func (s *Store) Stream(h v1.Hash) (io.ReadCloser, error) {
	f, err := os.Open(s.Path(h))
	if err != nil {
		return nil, err
	}
	return newVerifyingReader(f, h, func() { os.Remove(s.Path(h)) }), nil
}

// TempFile returns a new file in the store's tmp folder, for work that must
// survive in no case. The caller closes and removes it.
func (s *Store) TempFile(pattern string) (*os.File, error) {
	f, err := os.CreateTemp(filepath.Join(s.root, "tmp"), pattern)
	if err != nil {
		return nil, fmt.Errorf("writing to the store: %w", s.explain(err))
	}
	return f, nil
}

// TempDir is TempFile for a folder.
func (s *Store) TempDir(pattern string) (string, error) {
	d, err := os.MkdirTemp(filepath.Join(s.root, "tmp"), pattern)
	if err != nil {
		return "", fmt.Errorf("writing to the store: %w", s.explain(err))
	}
	return d, nil
}

// Remove deletes a blob; an absent one is no error.
func (s *Store) Remove(h v1.Hash) error {
	if err := os.Remove(s.Path(h)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
