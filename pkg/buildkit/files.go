package buildkit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/tonistiigi/fsutil"
)

// Files is a folder as a builder sees it: the files that were handed to it are
// there, and nothing else. Of any other folder that is mounted the builder reads
// what it likes, whatever the build asked it for.
type Files struct {
	mu     sync.Mutex
	handed map[string]string // paths by name
}

var _ fsutil.FS = (*Files)(nil)

// NewFiles returns a folder that is empty.
func NewFiles() *Files { return &Files{handed: map[string]string{}} }

// Hand lets the builder read one file, under that name.
func (f *Files) Hand(name, path string) error {
	path, err := filepath.EvalSymlinks(path) // a link is nothing to the builder
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.handed[name] = path
	return nil
}

// Walk implements fsutil.FS.
func (f *Files) Walk(_ context.Context, target string, fn fs.WalkDirFunc) error {
	f.mu.Lock()
	handed := maps.Clone(f.handed)
	f.mu.Unlock()
	target = filepath.Join("/", target)
	for _, name := range slices.Sorted(maps.Keys(handed)) {
		if target != "/" && target != "/"+name {
			continue
		}
		stat, err := fsutil.Stat(handed[name])
		if err != nil {
			return err
		}
		stat.Path = name
		err = fn(name, &fsutil.DirEntryInfo{Stat: stat}, nil)
		switch {
		case errors.Is(err, fs.SkipDir), errors.Is(err, fs.SkipAll):
			return nil
		case err != nil:
			return err
		}
	}
	return nil
}

// Open implements fsutil.FS.
func (f *Files) Open(name string) (io.ReadCloser, error) {
	f.mu.Lock()
	path, ok := f.handed[name]
	f.mu.Unlock()
	if !ok {
		return nil, fmt.Errorf("%s is not for the builder: %w", name, fs.ErrNotExist)
	}
	return os.Open(path)
}
