package store

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
)

// explained is an error that says what to do.
type explained struct{ error }

func (e explained) Unwrap() error { return e.error }

// Explain adds to an error of those who write to TempFile and TempDir what to
// do about it, where it is one of the file system and nobody has yet.
func (s *Store) Explain(err error) error {
	if errors.As(err, new(explained)) {
		return err
	}
	return s.explain(err)
}

// explain adds to an error of the file system what to do about it.
func (s *Store) explain(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return explained{fmt.Errorf("%w; free space in %s or set IMGBUILD_STORE to a folder on another disk", err, s.root)}
	case errors.Is(err, syscall.EROFS), errors.Is(err, syscall.ENOTDIR), errors.Is(err, fs.ErrPermission):
		return explained{fmt.Errorf("%w; set IMGBUILD_STORE to a folder that can be written", err)}
	}
	return err
}
