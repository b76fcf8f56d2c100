package step

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/imgbuild/imgbuild/pkg/layer"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// Difference is a layer of what a command has changed: the folder Lower, before
// it ran, against Upper, after. Times are no difference: they are those of the
// build, and are set to Date where they are later.
type Difference struct {
	Lower string `json:"lower"`
	Upper string `json:"upper"`
	// Date is what SOURCE_DATE_EPOCH was when the command ran.
	Date time.Time `json:"date"`
}

func (d Difference) layer(ctx context.Context, s *store.Store, c layer.Compression) (*layer.Layer, error) {
	if d.Date.After(time.Now()) {
		return nil, fmt.Errorf("the date %s of the command is in the future, so the times of this build would stay in the layer; give one that has passed", d.Date.Format(time.RFC3339))
	}
	lower, err := os.OpenRoot(d.Lower)
	if err != nil {
		return nil, err
	}
	defer lower.Close()
	upper, err := os.OpenRoot(d.Upper)
	if err != nil {
		return nil, err
	}
	defer upper.Close()
	return layer.Build(s, c, func(sink layer.Sink) error {
		w := &differ{ctx: ctx, lower: lower, upper: upper, date: d.Date, sink: sink, links: map[inode]string{}}
		return w.folder(".")
	})
}

type differ struct {
	ctx          context.Context
	lower, upper *os.Root
	date         time.Time
	sink         layer.Sink
	// parents are the folders on the way to here that are not in the layer yet.
	parents []string
	// links are files in the layer by their inode, of those with several names.
	links map[inode]string
}

// inode is a file, whatever its names.
type inode struct{ dev, ino uint64 }

// folder compares a folder that is one on both sides.
func (w *differ) folder(dir string) error {
	before, err := names(w.lower, dir)
	if err != nil {
		return err
	}
	after, err := names(w.upper, dir)
	if err != nil {
		return err
	}
	all := slices.Concat(before, after)
	slices.Sort(all)
	for _, name := range slices.Compact(all) {
		if err := w.ctx.Err(); err != nil {
			return context.Cause(w.ctx)
		}
		p := path.Join(dir, name)
		if _, stays := slices.BinarySearch(after, name); !stays {
			if err := w.gone(p); err != nil {
				return err
			}
			continue
		}
		_, was := slices.BinarySearch(before, name)
		if !was && w.isStub(p) {
			continue
		}
		if err := w.entry(p, was); err != nil {
			return err
		}
	}
	return nil
}

// isStub says whether a path is an empty folder that every container gets so
// that something can be mounted there, and not the command's.
func (w *differ) isStub(p string) bool {
	if !slices.Contains([]string{"dev", "proc", "run", "sys"}, p) {
		return false
	}
	entries, err := names(w.upper, p)
	return err == nil && len(entries) == 0
}

// entry compares one path that is there after the command; was says that
// something was there before.
func (w *differ) entry(p string, was bool) error {
	if strings.HasPrefix(path.Base(p), layer.Whiteout) {
		return fmt.Errorf("the command made /%s, a name that layers keep for files that are gone", p)
	}
	now, err := w.upper.Lstat(p)
	if err != nil {
		return err
	}
	same := false
	if was {
		if same, err = w.same(p, now); err != nil {
			return err
		}
	}
	switch {
	case now.IsDir():
	case same:
		return nil
	case now.Mode()&fs.ModeSocket != 0: // is of no use without its program
		if was {
			return w.gone(p)
		}
		return nil
	default:
		return w.write(p, now)
	}
	if !same {
		if err := w.write(p, now); err != nil {
			return err
		}
	} else {
		w.parents = append(w.parents, p)
		defer func() { w.parents = slices.DeleteFunc(w.parents, func(q string) bool { return q == p }) }()
	}
	if old, err := w.lower.Lstat(p); was && err == nil && old.IsDir() {
		return w.folder(p)
	}
	return w.fresh(p)
}

// gone adds what says that a path is there no more.
func (w *differ) gone(p string) error {
	if err := w.above(); err != nil {
		return err
	}
	return layer.Hide(w.sink, p, w.date)
}

// fresh adds all that is in a folder that was none before.
func (w *differ) fresh(dir string) error {
	entries, err := names(w.upper, dir)
	if err != nil {
		return err
	}
	for _, name := range entries {
		if err := w.ctx.Err(); err != nil {
			return context.Cause(w.ctx)
		}
		if err := w.entry(path.Join(dir, name), false); err != nil {
			return err
		}
	}
	return nil
}

// same says whether the path is what it was before, but for its times.
func (w *differ) same(p string, now fs.FileInfo) (bool, error) {
	old, err := w.lower.Lstat(p)
	if err != nil {
		return false, err
	}
	a, b := old.Sys().(*syscall.Stat_t), now.Sys().(*syscall.Stat_t)
	if old.Mode() != now.Mode() || a.Uid != b.Uid || a.Gid != b.Gid || !now.IsDir() && old.Size() != now.Size() {
		return false, nil
	}
	x, errX := attributes(w.lower, p)
	y, errY := attributes(w.upper, p)
	if err := errors.Join(errX, errY); err != nil {
		return false, err
	}
	if len(x) != len(y) {
		return false, nil
	}
	for k, v := range x {
		if y[k] != v {
			return false, nil
		}
	}
	switch {
	case now.Mode()&fs.ModeSymlink != 0:
		was, errA := w.lower.Readlink(p)
		is, errB := w.upper.Readlink(p)
		return was == is, errors.Join(errA, errB)
	case !now.Mode().IsRegular():
		return a.Rdev == b.Rdev, nil
	case a.Ino == b.Ino && a.Mtim == b.Mtim && a.Ctim == b.Ctim:
		// The very file of the layer below. Its times of change can be set by
		// nobody, unlike those of modification.
		return true, nil
	}
	return w.sameContent(p)
}

func (w *differ) sameContent(p string) (bool, error) {
	old, err := w.lower.Open(p)
	if err != nil {
		return false, err
	}
	defer old.Close()
	now, err := w.upper.Open(p)
	if err != nil {
		return false, err
	}
	defer now.Close()
	a, b := make([]byte, 64<<10), make([]byte, 64<<10)
	for {
		n, errA := io.ReadFull(old, a)
		m, errB := io.ReadFull(now, b)
		if !bytes.Equal(a[:n], b[:m]) {
			return false, nil
		}
		endA := errA == io.EOF || errA == io.ErrUnexpectedEOF
		endB := errB == io.EOF || errB == io.ErrUnexpectedEOF
		switch {
		case errA != nil && !endA:
			return false, errA
		case errB != nil && !endB:
			return false, errB
		case endA || endB:
			return endA == endB, nil
		}
	}
}

// write adds a path as it is after the command.
func (w *differ) write(p string, fi fs.FileInfo) error {
	target := ""
	if fi.Mode()&fs.ModeSymlink != 0 {
		var err error
		if target, err = w.upper.Readlink(p); err != nil {
			return err
		}
	}
	h, err := tar.FileInfoHeader(fi, target)
	if err != nil {
		return err
	}
	h.Name = p
	if h.ModTime.After(w.date) {
		h.ModTime = w.date
	}
	attrs, err := attributes(w.upper, p)
	if err != nil {
		return err
	}
	for k, v := range attrs {
		if h.PAXRecords == nil {
			h.PAXRecords = map[string]string{}
		}
		h.PAXRecords["SCHILY.xattr."+k] = v
	}
	switch {
	case fi.IsDir() || fi.Mode()&fs.ModeSymlink != 0:
		return w.add(h, nil)
	case !fi.Mode().IsRegular():
		return fmt.Errorf("the command made /%s, which is no file, folder or link (%s); layers hold nothing else", p, fi.Mode())
	}
	if st := fi.Sys().(*syscall.Stat_t); st.Nlink > 1 {
		this := inode{st.Dev, st.Ino}
		if first, ok := w.links[this]; ok {
			h.Typeflag, h.Linkname, h.Size = tar.TypeLink, first, 0
			return w.add(h, nil)
		}
		w.links[this] = p
	}
	f, err := w.upper.Open(p)
	if err != nil {
		return err
	}
	defer f.Close()
	return w.add(h, f)
}

// add adds an entry, and before it the folders that it is in.
func (w *differ) add(h *tar.Header, content io.Reader) error {
	if err := w.above(); err != nil {
		return err
	}
	return w.sink.Add(h, content)
}

// above adds the folders on the way to here: they would get another mode and
// owner otherwise.
func (w *differ) above() error {
	folders := w.parents
	w.parents = nil
	for _, p := range folders {
		fi, err := w.upper.Lstat(p)
		if err != nil {
			return err
		}
		if err := w.write(p, fi); err != nil {
			return err
		}
	}
	return nil
}

// names are those of a folder's entries, sorted.
func names(r *os.Root, dir string) ([]string, error) {
	f, err := r.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	out, err := f.Readdirnames(-1)
	slices.Sort(out)
	return out, err
}

// attributes are the extended attributes that a layer carries: what a file may
// do, and what users set. The others are the file system's own.
func attributes(r *os.Root, p string) (map[string]string, error) {
	full := path.Join(r.Name(), p)
	n, err := unix.Llistxattr(full, nil)
	if errors.Is(err, unix.ENOTSUP) || n == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	buf := make([]byte, n)
	if n, err = unix.Llistxattr(full, buf); err != nil {
		return nil, err
	}
	var out map[string]string
	for name := range strings.SplitSeq(strings.TrimSuffix(string(buf[:n]), "\x00"), "\x00") {
		if name != "security.capability" && !strings.HasPrefix(name, "user.") {
			continue
		}
		value := make([]byte, 64<<10)
		m, err := unix.Lgetxattr(full, name, value)
		if err != nil {
			return nil, err
		}
		if out == nil {
			out = map[string]string{}
		}
		out[name] = string(value[:m])
	}
	return out, nil
}
