package definition

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
)

// CopyTo writes the definition and the files it takes along into dir, which
// must not be there yet. The lock is not copied.
func (l *Loaded) CopyTo(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return fmt.Errorf("copying the definition: %w", err)
	}
	yaml, err := read(l.dir, FileName, MaxSize+1)
	if err != nil {
		return fmt.Errorf("copying the definition: %w", err)
	}
	files := map[string][]byte{FileName: yaml}
	for name, content := range l.Files {
		files[path.Clean(name)] = content
	}
	for name, content := range files {
		to := filepath.Join(dir, filepath.FromSlash(name))
		if !fs.ValidPath(name) {
			return fmt.Errorf("copying the definition: %q is outside its folder", name)
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return fmt.Errorf("copying the definition: %w", err)
		}
		if err := os.WriteFile(to, content, 0o644); err != nil {
			return fmt.Errorf("copying the definition: %w", err)
		}
	}
	return nil
}
