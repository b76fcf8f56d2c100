package store

import (
	"fmt"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Writer writes one blob. Exactly one of Commit and Discard ends it; Discard
// after Commit does nothing.
type Writer struct {
	s *Store
	f *os.File
	h hashWriter
}

// Create begins a blob.
func (s *Store) Create() (*Writer, error) {
	f, err := s.TempFile("blob-*")
	if err != nil {
		return nil, err
	}
	return &Writer{s: s, f: f, h: newHashWriter()}, nil
}

// Write adds to the blob.
func (w *Writer) Write(p []byte) (int, error) {
	n, err := w.f.Write(p)
	w.h.Write(p[:n])
	if err != nil {
		return n, fmt.Errorf("writing to the store: %w", w.s.explain(err))
	}
	return n, nil
}

// Commit makes the blob visible under its hash, which it returns. Where want
// is not the zero Hash and differs, nothing is stored and ErrCorrupt returned.
func (w *Writer) Commit(want v1.Hash) (v1.Hash, error) {
	defer w.Discard()
	got := w.h.Hash()
	if want != (v1.Hash{}) && got != want {
		return v1.Hash{}, mismatch(want, got)
	}
	f := w.f
	w.f = nil
	if err := publish(f, w.s.Path(got), 0o444); err != nil {
		return v1.Hash{}, fmt.Errorf("writing %s to the store: %w", got, w.s.explain(err))
	}
	return got, nil
}

func mismatch(want, got v1.Hash) error {
	return fmt.Errorf("expected %s, got %s: %w", want, got, ErrCorrupt)
}

// Discard throws the blob away.
func (w *Writer) Discard() {
	if w.f != nil {
		w.f.Close()
		os.Remove(w.f.Name())
		w.f = nil
	}
}
