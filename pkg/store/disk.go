package store

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
)

// explain adds to an error of the file system what to do about it.
func (s *Store) explain(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%w; free space in %s or set IMGBUILD_STORE to a folder on another disk", err, s.root)
	case errors.Is(err, syscall.EROFS), errors.Is(err, syscall.ENOTDIR), errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w; set IMGBUILD_STORE to a folder that can be written", err)
	}
	return err
}
