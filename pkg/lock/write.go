package lock

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// WriteFile checks the lock and writes it to path in one step: whoever reads
// path sees the old lock or the new one, whole.
func (l *Lock) WriteFile(path string) error {
	if err := l.check(); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	data, err := l.Marshal()
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return fmt.Errorf("writing the lock: %w", err)
	}
	defer os.Remove(f.Name()) // gone already after the rename
	_, err = f.Write(data)
	if err := errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("writing the lock: %w", err)
	}
	return nil
}
