// Package snapshot tells whether files have changed without reading them, by
// what stat(2) says of them, as git's index does.
//
// A file is taken for unchanged where its size, mode, modification and change
// time, inode and device are the same. No program can set the change time, so
// whoever writes to a file, or puts another in its place, changes the
// snapshot, also with the size and the modification time of before. What stat
// cannot tell is a second write in the same tick of the file system's clock.
// So a file that changed less than two seconds (the coarsest clock there is)
// before its snapshot was taken is read, and its content stands in the
// snapshot in place of its times (git calls such an entry racily clean).
package snapshot

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// margin is how long after its last change a file's times say nothing.
const margin = 2 * time.Second

// Snapshot is the state of files and folders at one time.
type Snapshot struct {
	// Sum is a hash over all of it.
	Sum string `json:"sum"`
	// Read are the files, by path, whose content is in Sum.
	Read []string `json:"read,omitempty"`
}

// ErrTooMany says that there are more files than the caller wants to look at.
var ErrTooMany = errors.New("more files than a snapshot is worth")

// Options say what is looked at.
type Options struct {
	// Roots are files and folders, by absolute path. One that is not there is
	// part of the snapshot, too.
	Roots []string
	// Skip says whether a folder is left out, by its name.
	Skip func(name string) bool
	// Max is how many files there may be, 0 for any number.
	Max int
	// Own says that the caller alone has written the files, and has ended: then
	// young ones need not be read.
	Own bool
}

// Take takes a snapshot.
func Take(ctx context.Context, o Options) (Snapshot, error) {
	young := time.Now().Add(-margin)
	if o.Own {
		young = time.Time{}
	}
	return take(ctx, o, young, nil)
}

// Same says whether all is as it was when s was taken with the same options.
func (s Snapshot) Same(ctx context.Context, o Options) (bool, error) {
	// Nothing is young here: what was to be read is known.
	now, err := take(ctx, o, time.Time{}, s.Read)
	return err == nil && now.Sum == s.Sum, err
}

func take(ctx context.Context, o Options, young time.Time, read []string) (Snapshot, error) {
	t := &taker{ctx: ctx, options: o, young: young, reads: map[string]bool{}, linked: map[string]bool{}, sum: sha256.New()}
	for _, path := range read {
		t.reads[path] = true
	}
	for _, root := range o.Roots {
		if err := t.add(root); err != nil {
			return Snapshot{}, err
		}
	}
	return Snapshot{Sum: hex.EncodeToString(t.sum.Sum(nil)), Read: t.read}, nil
}

type taker struct {
	ctx     context.Context
	options Options
	young   time.Time       // files changed since are read; zero for none
	reads   map[string]bool // these are read in any case
	read    []string
	linked  map[string]bool // folders behind links
	files   int
	sum     hash.Hash
}

func (t *taker) add(path string) error {
	fi, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		fmt.Fprintf(t.sum, "absent %q\n", path)
		return nil
	case err != nil:
		return err
	}
	return t.entry(path, fi)
}

func (t *taker) entry(path string, fi fs.FileInfo) error {
	switch mode := fi.Mode(); {
	case mode.IsDir():
		return t.folder(path)
	case mode&fs.ModeSymlink != 0:
		return t.link(path)
	case mode.IsRegular():
		return t.file(path, fi)
	default:
		fmt.Fprintf(t.sum, "other %q %s\n", path, mode)
		return nil
	}
}

// folder adds what is in it. Its own times say nothing more than the names.
func (t *taker) folder(path string) error {
	if err := context.Cause(t.ctx); err != nil {
		return err
	}
	entries, err := os.ReadDir(path) // sorted
	if err != nil {
		return err
	}
	fmt.Fprintf(t.sum, "folder %q %d\n", path, len(entries))
	for _, e := range entries {
		if e.IsDir() && t.options.Skip != nil && t.options.Skip(e.Name()) {
			continue
		}
		// A file that goes away meanwhile is found absent.
		if err := t.add(filepath.Join(path, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// link adds where the link leads, and what is there. The go command finds
// packages behind links to folders, too. Each such folder is gone into once.
func (t *taker) link(path string) error {
	to, err := os.Readlink(path)
	if err != nil {
		return err
	}
	fmt.Fprintf(t.sum, "link %q %q\n", path, to)
	fi, err := os.Stat(path)
	switch {
	case err == nil && fi.Mode().IsRegular():
		return t.file(path, fi)
	case err != nil || !fi.IsDir():
		fmt.Fprintf(t.sum, "to no file\n")
		return nil
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	fmt.Fprintf(t.sum, "to %q\n", real)
	if t.linked[real] {
		return nil
	}
	t.linked[real] = true
	return t.folder(real)
}

func (t *taker) file(path string, fi fs.FileInfo) error {
	if t.files++; t.options.Max > 0 && t.files > t.options.Max {
		return ErrTooMany
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Errorf("%s: the system says nothing of its inode", path)
	}
	changed := time.Unix(st.Ctim.Sec, st.Ctim.Nsec)
	if !t.reads[path] && (t.young.IsZero() || changed.Before(t.young) && fi.ModTime().Before(t.young)) {
		fmt.Fprintf(t.sum, "file %q %d %o %d %d %d %d\n", path, st.Size, st.Mode, fi.ModTime().UnixNano(), changed.UnixNano(), st.Ino, st.Dev)
		return nil
	}
	h, err := content(path)
	if err != nil {
		return err
	}
	t.read = append(t.read, path)
	fmt.Fprintf(t.sum, "content %q %o %x\n", path, st.Mode, h)
	return nil
}

func content(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return nil, err
	}
	return h.Sum(nil), nil
}

// Roots sorts paths and drops those that are inside another.
func Roots(paths ...string) []string {
	paths = slices.Clone(paths)
	slices.Sort(paths)
	var out []string
	for _, p := range paths {
		inside := slices.ContainsFunc(out, func(o string) bool {
			rel, err := filepath.Rel(o, p)
			return err == nil && filepath.IsLocal(rel)
		})
		if !inside {
			out = append(out, p)
		}
	}
	return out
}
