package store

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestLock(t *testing.T) {
	s := open(t)
	unlock, err := s.Lock(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	other, err := s.Lock(t.Context(), "b")
	if err != nil {
		t.Fatal(err)
	}
	other()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.Lock(ctx, "a"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a held lock: %v", err)
	}
	unlock()
	if unlock, err = s.Lock(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	unlock()
	for _, name := range []string{"", "a/b", "..", ".", "a\x00"} {
		if _, err := s.Lock(t.Context(), name); err == nil {
			t.Errorf("a lock named %q", name)
		}
	}
	left(t, s)
}

// TestLockExcludes has many take the same lock, whose file comes and goes.
func TestLockExcludes(t *testing.T) {
	s := open(t)
	var wg sync.WaitGroup
	// The race detector knows nothing of locks on files.
	var n, holders atomic.Int64
	for range 20 {
		wg.Go(func() {
			for range 20 {
				unlock, err := s.Lock(t.Context(), "a")
				if err != nil {
					t.Error(err)
					return
				}
				if h := holders.Add(1); h != 1 {
					t.Errorf("%d holders", h)
				}
				n.Add(1)
				holders.Add(-1)
				unlock()
			}
		})
	}
	wg.Wait()
	if n.Load() != 400 {
		t.Errorf("%d times held, want 400", n.Load())
	}
	left(t, s)
}
