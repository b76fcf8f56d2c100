// Package atomicfile writes small files in one step: whoever reads one sees
// what was there or what is there now, whole, also after a kill or a power cut.
package atomicfile

import (
	"errors"
	"os"
	"path/filepath"
)

// Write writes data to path, readable by all. It leaves nothing behind where
// it fails.
func Write(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone already after the rename
	_, err = f.Write(data)
	if err := errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
