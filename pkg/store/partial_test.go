package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

func partial(t *testing.T, s *Store, name string) *Partial {
	t.Helper()
	p, err := s.Partial(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPartial(t *testing.T) {
	s := open(t)
	want := put(t, s, []byte("first second"))
	if err := s.Remove(want); err != nil {
		t.Fatal(err)
	}
	p := partial(t, s, "x")
	p.Write([]byte("first "))

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.Partial(ctx, "x"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("opened twice: %v", err)
	}
	p.Close()

	p = partial(t, s, "x")
	if p.Size() != 6 {
		t.Errorf("%d bytes after opening again", p.Size())
	}
	p.Write([]byte("second"))
	if p.Hash() != want {
		t.Errorf("hash %s, want %s", p.Hash(), want)
	}
	if h, err := p.Commit(want); err != nil || h != want {
		t.Errorf("%s, %v", h, err)
	}
	if err := s.Verify(want); err != nil {
		t.Error(err)
	}
	p.Discard() // does nothing any more
	if p = partial(t, s, "x"); p.Size() != 0 {
		t.Errorf("%d bytes are left of what was committed", p.Size())
	}
	p.Write([]byte("wrong"))
	if err := p.Reset(); err != nil {
		t.Fatal(err)
	}
	p.Write([]byte("first second"))
	if h, err := p.Commit(v1.Hash{}); err != nil || h != want {
		t.Errorf("after Reset: %s, %v", h, err)
	}
	left(t, s)
}

func TestPartialOfOtherContent(t *testing.T) {
	s := open(t)
	p := partial(t, s, "x")
	p.Write([]byte("wrong"))
	if _, err := p.Commit(put(t, s, []byte("right"))); !errors.Is(err, ErrCorrupt) {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(s.Root(), "partial", "x")); err == nil {
		t.Error("the wrong bytes are kept")
	}
	left(t, s)
}
