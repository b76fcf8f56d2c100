package store

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"github.com/imgbuild/imgbuild/internal/lazyregexp"
)

// lockPoll is how often a held lock is tried again: flock(2) itself cannot be
// waited for and cancelled.
const lockPoll = 20 * time.Millisecond

// names of locks and partial blobs become file names.
var nameRE = lazyregexp.New(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

// Lock takes the advisory lock of that name, which one holder has at a time
// among all processes and goroutines that use this store. It waits until the
// context ends. Locks end with their process, however it ends. Names are
// letters, digits, dots, dashes and underscores. It guards files, not memory.
func (s *Store) Lock(ctx context.Context, name string) (unlock func(), err error) {
	if !nameRE().MatchString(name) {
		return nil, fmt.Errorf("locking %q in the store: not a name", name)
	}
	path := filepath.Join(s.root, "locks", name)
	for {
		l := flock.New(path, flock.SetPermissions(0o644))
		if _, err := l.TryLockContext(ctx, lockPoll); err != nil {
			l.Close()
			return nil, fmt.Errorf("waiting for the lock %s of the store: %w", name, s.explain(err))
		}
		if sameFile(l, path) {
			return func() {
				// Removed while it is held, so that locks/ does not grow
				// by a file for each download there ever was.
				os.Remove(path)
				l.Close()
			}, nil
		}
		// The last holder removed the file between our open and our lock:
		// what we hold is a lock on a file that nobody else can find.
		l.Close()
	}
}

func sameFile(l *flock.Flock, path string) bool {
	held, err := l.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(path)
	return err == nil && os.SameFile(held, there)
}
