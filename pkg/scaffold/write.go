package scaffold

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// ExistsError says which files are there already.
type ExistsError struct {
	Dir   string
	Paths []string // in Dir
}

func (e *ExistsError) Error() string {
	return fmt.Sprintf("%s already has %s; nothing was written. Name another folder, or move them away", e.Dir, strings.Join(e.Paths, ", "))
}

// Write writes all files into the folder dir, which need not be there, or none.
// It never overwrites: files that are there are an *ExistsError.
func Write(dir string, files []File) error {
	_, err := os.Lstat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return writeNew(dir, files)
	case err != nil:
		return err
	}
	return writeInto(dir, files)
}

// writeNew makes the folder with its files elsewhere, so that it is there whole
// or not at all.
func writeNew(dir string, files []File) (err error) {
	parent := filepath.Dir(dir)
	if err := os.MkdirAll(parent, 0o777); err != nil {
		return err
	}
	temp, err := os.MkdirTemp(parent, ".imgbuild-init-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.RemoveAll(temp)
		}
	}()
	made := filepath.Join(temp, "function") // with the umask's mode, unlike temp
	if err := os.Mkdir(made, 0o777); err != nil {
		return err
	}
	if err := writeInto(made, files); err != nil {
		return err
	}
	// A rename would replace an empty folder, which is no loss, and nothing else.
	if err := os.Rename(made, dir); err != nil {
		return err
	}
	return os.Remove(temp)
}

// writeInto writes into a folder that is there, and takes back what it wrote
// where it fails.
func writeInto(dir string, files []File) (err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := missing(root, dir, files); err != nil {
		return err
	}
	var made []string
	defer func() {
		if err != nil {
			for i := len(made) - 1; i >= 0; i-- {
				root.Remove(made[i]) // a folder that got something else stays
			}
		}
	}()
	for _, f := range files {
		dirs, err := makeDirs(root, path.Dir(f.Path))
		made = append(made, dirs...)
		if err != nil {
			return err
		}
		w, err := root.OpenFile(f.Path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if errors.Is(err, fs.ErrExist) {
			return &ExistsError{dir, []string{f.Path}} // since missing looked
		}
		if err != nil {
			return err
		}
		made = append(made, f.Path)
		_, err = w.Write(f.Data)
		if err := errors.Join(err, w.Close()); err != nil {
			return err
		}
	}
	return nil
}

// missing is an *ExistsError where a file, or a file in the place of one of the
// folders, is there.
func missing(root *os.Root, dir string, files []File) error {
	var there []string
	seen := map[string]bool{}
	for _, f := range files {
		if _, err := root.Lstat(f.Path); err == nil {
			there = append(there, f.Path)
		}
		for parent := path.Dir(f.Path); parent != "."; parent = path.Dir(parent) {
			if info, err := root.Lstat(parent); err == nil && !info.IsDir() && !seen[parent] {
				seen[parent] = true
				there = append(there, parent)
			}
		}
	}
	if len(there) > 0 {
		return &ExistsError{dir, there}
	}
	return nil
}

// makeDirs makes a folder with those around it, and returns which are new.
func makeDirs(root *os.Root, dir string) (made []string, err error) {
	if dir == "." {
		return nil, nil
	}
	if made, err = makeDirs(root, path.Dir(dir)); err != nil {
		return made, err
	}
	switch err := root.Mkdir(dir, 0o777); {
	case err == nil:
		return append(made, dir), nil
	case errors.Is(err, fs.ErrExist):
		return made, nil
	default:
		return made, err
	}
}
