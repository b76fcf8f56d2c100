package store

import (
	"os"
	"path/filepath"
	"time"
)

// How old a file is when it can no longer belong to a living process, or a
// download to anyone who still wants it.
const (
	tmpAge     = 24 * time.Hour
	partialAge = 14 * 24 * time.Hour
)

// sweep removes what killed processes left behind. It costs the reading of
// two folders that are nearly always empty. Errors do not matter: another
// process may sweep at the same time, and the next Open tries again.
func (s *Store) sweep(now time.Time) {
	sweepDir(filepath.Join(s.root, "tmp"), now.Add(-tmpAge))
	sweepDir(filepath.Join(s.root, "partial"), now.Add(-partialAge))
}

func sweepDir(dir string, before time.Time) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if fi, err := e.Info(); err == nil && fi.ModTime().Before(before) {
			os.RemoveAll(filepath.Join(dir, e.Name()))
		}
	}
}
