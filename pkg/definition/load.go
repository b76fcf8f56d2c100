package definition

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/imgbuild/imgbuild/images"
	"github.com/imgbuild/imgbuild/pkg/strictyaml"
)

// FileName is the name of a definition in its folder.
const FileName = "image.yaml"

// MaxFile is the size in bytes that a lock and each file taken along by a
// definition may have.
const MaxFile = 32 << 20

// Loaded is a definition with the folder it came from.
type Loaded struct {
	*Definition
	// Ref is what Load was asked for, to be named in commands for people.
	Ref string
	// Dir is the definition's folder on disk; empty for an embedded one.
	Dir string

	dir    fs.FS
	lock   string
	inside bool
}

// Inside says whether the definition is one of those inside imgbuild.
func (l *Loaded) Inside() bool { return l.inside }

// Load reads the definition that ref names: an embedded one by its name
// (golang), else one on disk by the path of its file or its folder. Write
// ./golang for a folder that is called like an embedded image.
func Load(ref string) (*Loaded, error) {
	if dir, ok := images.Open(ref); ok {
		l, err := load(ref, dir, "", filepath.Join("images", ref), FileName)
		if err != nil {
			return nil, err
		}
		l.inside = true
		return l, nil
	}
	info, err := os.Stat(ref)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, unknownName(ref)
	case err != nil:
		return nil, fmt.Errorf("reading the definition %s: %w", ref, err)
	}
	folder, file := filepath.Split(ref)
	if info.IsDir() {
		folder, file = ref, FileName
	}
	folder = filepath.Clean(folder)
	// A Root keeps what a definition names inside its folder, links included.
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, fmt.Errorf("opening the definition's folder: %w", err)
	}
	return load(ref, root.FS(), folder, folder, file)
}

// LoadFrom reads the definition in a file of a folder that is not on this
// machine's disk. shown is how the folder is called in messages.
func LoadFrom(dir fs.FS, shown, file string) (*Loaded, error) {
	return load(filepath.Join(shown, file), dir, "", shown, file)
}

func load(ref string, dir fs.FS, folder, shown, file string) (*Loaded, error) {
	source := filepath.Join(shown, file)
	data, err := read(dir, file, MaxSize+1)
	if err != nil {
		return nil, fmt.Errorf("reading the definition %s: %w", source, err)
	}
	d, err := Parse(source, data, func(path string) ([]byte, error) {
		content, err := read(dir, path, MaxFile+1)
		if err == nil && len(content) > MaxFile {
			err = fmt.Errorf("it is larger than %d bytes", MaxFile)
		}
		return content, err
	})
	if err != nil {
		return nil, err
	}
	ext := filepath.Ext(file)
	return &Loaded{Definition: d, Ref: ref, Dir: folder, dir: dir, lock: strings.TrimSuffix(file, ext) + ".lock"}, nil
}

// LockPath is where the definition's lock lies: image.lock beside image.yaml.
// For an embedded definition it is relative to the source of imgbuild.
func (l *Loaded) LockPath() string {
	return filepath.Join(filepath.Dir(l.Source), l.lock)
}

// ReadLock returns the bytes of the definition's lock. Where there is none
// the error is fs.ErrNotExist.
func (l *Loaded) ReadLock() ([]byte, error) {
	data, err := read(l.dir, l.lock, MaxFile+1)
	if err == nil && len(data) > MaxFile {
		err = fmt.Errorf("%s is larger than %d bytes", l.LockPath(), MaxFile)
	}
	return data, err
}

// read reads at most limit bytes of a regular file.
func read(dir fs.FS, path string, limit int64) ([]byte, error) {
	// Asked before opening, which would wait at a named pipe.
	switch info, err := fs.Stat(dir, path); {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	f, err := dir.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit))
}

func unknownName(ref string) error {
	names := images.Names()
	if strings.ContainsAny(ref, `/\`) || slices.Contains([]string{".yaml", ".yml"}, filepath.Ext(ref)) {
		return fmt.Errorf("there is no definition at %s; give the path of an %s or of its folder", ref, FileName)
	}
	return fmt.Errorf("there is no image %q; %s (or give the path of an %s)", ref, strictyaml.Suggest(ref, names, "the images are %s", ", "), FileName)
}
