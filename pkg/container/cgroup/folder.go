package cgroup

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// prefix begins the names of the groups that are made here.
const prefix = "imgbuild-container-"

// folder is a group of a hierarchy. Whoever has made it holds a lock on it, that
// ends with the process however it ends: groups that nobody holds are swept.
type folder struct {
	path string
	held *os.File
}

// newFolder makes a group below parent, with these settings.
func newFolder(parent string, settings []setting) (*folder, error) {
	sweep(parent)
	f, err := makeFolder(parent)
	if err != nil {
		return nil, err
	}
	for _, s := range settings {
		if err := f.set(s.file, s.value); err != nil && !s.optional {
			return nil, errors.Join(err, f.remove())
		}
	}
	return f, nil
}

func makeFolder(parent string) (*folder, error) {
	for {
		path := filepath.Join(parent, prefix+rand.Text())
		if err := os.Mkdir(path, 0o755); err != nil {
			return nil, err
		}
		f, err := hold(path, unix.LOCK_EX)
		if err == nil {
			return &folder{path, f}, nil
		}
		if !errors.Is(err, fs.ErrNotExist) { // else somebody swept it before it was held
			return nil, errors.Join(err, os.Remove(path))
		}
	}
}

// hold locks a group that is there.
func hold(path string, how int) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(f.Fd()), how)
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// sweep removes the groups below parent that killed processes have left. Linux
// lets no group go that has processes.
func sweep(parent string) {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return
	}
	for _, e := range entries {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), prefix) {
			continue
		}
		path := filepath.Join(parent, e.Name())
		if f, err := hold(path, unix.LOCK_EX|unix.LOCK_NB); err == nil {
			_ = os.Remove(path) // its processes may be about to end: the next one tries again
			f.Close()
		}
	}
}

// set writes a value into one of the group's files. It makes none.
func (f *folder) set(name, value string) error { return write(filepath.Join(f.path, name), value) }

func write(path, value string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}

// value is what stands behind a key in one of the group's files, "" where it
// cannot be told.
func (f *folder) value(name, key string) string {
	b, err := os.ReadFile(filepath.Join(f.path, name))
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(b)) {
		if value, ok := strings.CutPrefix(line, key+" "); ok {
			return strings.TrimSuffix(value, "\n")
		}
	}
	return ""
}

// removeLimit is how long Linux may take to let a group go whose processes have
// just ended.
const removeLimit = 2 * time.Second

// remove removes the group, which has no processes any more.
func (f *folder) remove() error {
	defer f.held.Close()
	for end := time.Now().Add(removeLimit); ; time.Sleep(time.Millisecond) {
		err := os.Remove(f.path)
		if !errors.Is(err, syscall.EBUSY) || time.Now().After(end) {
			return err
		}
	}
}
