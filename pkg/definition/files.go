package definition

import (
	"fmt"
	"path"
	"path/filepath"
)

// LockName is the name of a definition's lock in its folder.
const LockName = "image.lock"

// Folder returns all files of the definition by their slash-separated names, as
// they make a folder of its own: image.yaml, image.lock with the content lock,
// and the files it takes along.
func (l *Loaded) Folder(lock []byte) (map[string][]byte, error) {
	yaml, err := read(l.dir, filepath.Base(l.Source), MaxSize+1)
	if err != nil {
		return nil, fmt.Errorf("reading the definition %s: %w", l.Source, err)
	}
	files := map[string][]byte{FileName: yaml, LockName: lock}
	for name, content := range l.Files {
		name = path.Clean(name)
		if name == LockName || name == FileName && filepath.Base(l.Source) != FileName {
			return nil, fmt.Errorf("the definition %s takes along %s, which is the name of a part of it; give the file another name", l.Source, name)
		}
		files[name] = content
	}
	return files, nil
}
