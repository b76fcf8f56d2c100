package store

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Partial is a blob whose bytes arrive in several runs of the program: what
// has been written stays when the process dies and is there when the partial
// of that name is opened again. One process has it open at a time.
//
// Exactly one of Commit, Discard and Close ends it; those after the first do
// nothing.
type Partial struct {
	s      *Store
	f      *os.File
	h      hashWriter
	size   int64
	unlock func()
}

// Partial opens the partial blob of that name, new or with the bytes it has.
// It waits for a process that has it open. Names are as for Lock.
func (s *Store) Partial(ctx context.Context, name string) (*Partial, error) {
	unlock, err := s.Lock(ctx, "partial-"+name)
	if err != nil {
		return nil, err
	}
	p := &Partial{s: s, h: newHashWriter(), unlock: unlock}
	p.f, err = os.OpenFile(filepath.Join(s.root, "partial", name), os.O_RDWR|os.O_CREATE, 0o600)
	if err == nil {
		// The hash goes over what is on the disk, not over what an earlier
		// run believed it wrote.
		p.size, err = io.Copy(p.h, p.f)
	}
	if err != nil {
		p.Close()
		return nil, fmt.Errorf("resuming %s in the store: %w", name, s.explain(err))
	}
	return p, nil
}

// Size is how many bytes there are.
func (p *Partial) Size() int64 { return p.size }

// Write appends. After an error the partial holds what reached the disk.
func (p *Partial) Write(b []byte) (int, error) {
	n, err := p.f.Write(b)
	p.h.Write(b[:n])
	p.size += int64(n)
	if err != nil {
		return n, fmt.Errorf("writing to the store: %w", p.s.explain(err))
	}
	return n, nil
}

// Reset throws the bytes away and begins anew.
func (p *Partial) Reset() error {
	if p.size == 0 {
		return nil
	}
	if err := p.f.Truncate(0); err != nil {
		return fmt.Errorf("writing to the store: %w", p.s.explain(err))
	}
	if _, err := p.f.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("writing to the store: %w", err)
	}
	p.h, p.size = newHashWriter(), 0
	return nil
}

// Hash is the hash of the bytes so far.
func (p *Partial) Hash() v1.Hash { return p.h.Hash() }

// Commit makes the bytes a blob, whose hash it returns. Where want is not the
// zero Hash and differs, the bytes are thrown away and ErrCorrupt returned.
func (p *Partial) Commit(want v1.Hash) (v1.Hash, error) {
	got := p.h.Hash()
	if want != (v1.Hash{}) && got != want {
		p.Discard()
		return v1.Hash{}, mismatch(want, got)
	}
	f := p.f
	p.f = nil
	defer p.Close()
	if err := publish(f, p.s.Path(got), 0o444); err != nil {
		return v1.Hash{}, fmt.Errorf("writing %s to the store: %w", got, p.s.explain(err))
	}
	return got, nil
}

// Discard throws the bytes away.
func (p *Partial) Discard() {
	if p.f != nil {
		os.Remove(p.f.Name())
	}
	p.Close()
}

// Close keeps the bytes for the next run.
func (p *Partial) Close() {
	if p.f != nil {
		p.f.Close()
		p.f = nil
	}
	if p.unlock != nil {
		p.unlock()
		p.unlock = nil
	}
}
