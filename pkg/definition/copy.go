package definition

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
)

// CopyTo writes the definition, the files it takes along and its new lock into
// the folder dir, which must not be there yet: all of them or nothing.
func (l *Loaded) CopyTo(dir string, lock []byte) error {
	if err := l.copyTo(dir, lock); err != nil {
		return fmt.Errorf("copying the definition to %s: %w", dir, err)
	}
	return nil
}

func (l *Loaded) copyTo(dir string, lock []byte) error {
	yaml, err := read(l.dir, FileName, MaxSize+1)
	if err != nil {
		return err
	}
	files := map[string][]byte{FileName: yaml, l.lock: lock}
	for name, content := range l.Files {
		files[path.Clean(name)] = content
	}
	dir = filepath.Clean(dir)
	tmp, err := os.MkdirTemp(filepath.Dir(dir), ".imgbuild-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	for name, content := range files {
		if !fs.ValidPath(name) {
			return fmt.Errorf("%q is outside its folder", name)
		}
		to := filepath.Join(tmp, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(to, content, 0o644); err != nil {
			return err
		}
	}
	if err := os.Chmod(tmp, 0o755); err != nil {
		return err
	}
	// Rename itself would take the place of an empty folder.
	if _, err := os.Lstat(dir); err == nil {
		return fs.ErrExist
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Rename(tmp, dir)
}
