package container

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sys/unix"

	"github.com/imgbuild/imgbuild/pkg/stream"
)

// Limits of what an image may unpack to.
const (
	maxBytes   = 64 << 30
	maxEntries = 4 << 20
	maxLinks   = 40 // symbolic links on the way to one file, as in Linux
)

// tree is a folder into which layers are unpacked. All files are reached
// through root, which no name and no symbolic link leads out of.
type tree struct {
	root    *os.Root
	owners  bool
	bytes   int64
	entries int
	// folders get their modes and times in the end: unpacking changes them.
	folders map[string]*tar.Header
}

func newTree(dir string) (*tree, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &tree{root: root, owners: owners(), folders: map[string]*tar.Header{}}, nil
}

func (t *tree) close() { t.root.Close() }

// Apply unpacks a layer over what is in a folder, for root with all that a layer
// says of its files, or not at all. Of devices it makes none.
func Apply(ctx context.Context, dir string, l v1.Layer, diffID v1.Hash) error {
	t, err := newTree(dir)
	if err != nil {
		return err
	}
	defer t.close()
	// In a builder's step root may give files away, and little else.
	t.owners = os.Geteuid() == 0
	if err := t.apply(ctx, l, diffID); err != nil {
		return err
	}
	return t.finish()
}

// apply unpacks a layer over those before it (image-spec, layer.md: applying
// changesets).
func (t *tree) apply(ctx context.Context, l v1.Layer, diffID v1.Hash) error {
	r, err := l.Uncompressed()
	if err != nil {
		return err
	}
	defer r.Close()
	sum := sha256.New()
	body := io.TeeReader(stream.Until(ctx, r), sum)
	entries := tar.NewReader(body)
	fresh := map[string]bool{} // of this layer, with the folders they are in: whiteouts leave them alone
	for {
		h, err := entries.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("reading the layer: %w", err)
		}
		if t.entries++; t.entries > maxEntries {
			return fmt.Errorf("the image has more than %d files", maxEntries)
		}
		if err := t.entry(h, entries, fresh); err != nil {
			return fmt.Errorf("%q: %w", h.Name, err)
		}
	}
	if _, err := io.Copy(io.Discard, body); err != nil { // the end of the archive counts, too
		return err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != diffID.Hex {
		return fmt.Errorf("its content has the SHA-256 %s", got)
	}
	return nil
}

const (
	whiteoutPrefix = ".wh."
	whiteoutOpaque = ".wh..wh..opq"
)

func (t *tree) entry(h *tar.Header, content io.Reader, fresh map[string]bool) error {
	name := strings.TrimPrefix(path.Clean("/"+h.Name), "/")
	if name == "" {
		if h.Typeflag == tar.TypeDir {
			t.folders["."] = h
		}
		return nil
	}
	dir, base := path.Split(name)
	dir, err := t.parent(path.Clean(dir), 0)
	if err != nil {
		return err
	}
	if base == whiteoutOpaque {
		return t.clear(dir, fresh)
	}
	if gone, ok := strings.CutPrefix(base, whiteoutPrefix); ok {
		if gone == "" || gone == "." || gone == ".." {
			return nil
		}
		return t.hide(path.Join(dir, gone), fresh)
	}
	name = path.Join(dir, base)
	for at := name; at != "." && !fresh[at]; at = path.Dir(at) {
		fresh[at] = true
	}
	return t.create(name, h, content)
}

// parent returns the folder of that name with all symbolic links followed as
// the image's own processes would, absolute ones from the image's root, and
// makes what is not there.
func (t *tree) parent(name string, links int) (string, error) {
	at := "."
	parts := strings.Split(name, "/")
	for n, part := range parts {
		switch part {
		case "", ".":
			continue
		case "..":
			at = path.Dir(at)
			continue
		}
		next := path.Join(at, part)
		fi, err := t.root.Lstat(next)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			err = t.root.Mkdir(next, 0o755)
		case err == nil && fi.Mode()&fs.ModeSymlink != 0:
			if links++; links > maxLinks {
				return "", errors.New("too many symbolic links")
			}
			to, err := t.root.Readlink(next)
			if err != nil {
				return "", err
			}
			if !path.IsAbs(to) {
				to = at + "/" + to
			}
			// Not cleaned: "link/.." is above what the link points to.
			return t.parent(to+"/"+strings.Join(parts[n+1:], "/"), links)
		case err == nil && !fi.IsDir():
			// A file of an older layer stands where this one has a folder.
			if err = t.remove(next); err == nil {
				err = t.root.Mkdir(next, 0o755)
			}
		}
		if err != nil {
			return "", err
		}
		at = next
	}
	return at, nil
}

// remove takes a file or folder away, and what is known about it.
func (t *tree) remove(name string) error {
	for known := range t.folders {
		if known == name || strings.HasPrefix(known, name+"/") {
			delete(t.folders, known)
		}
	}
	return t.root.RemoveAll(name)
}

// hide removes what older layers have at a name.
func (t *tree) hide(name string, fresh map[string]bool) error {
	if !fresh[name] {
		return t.remove(name)
	}
	if fi, err := t.root.Lstat(name); err != nil || !fi.IsDir() {
		return nil
	}
	return t.clear(name, fresh)
}

// clear removes what older layers have in a folder.
func (t *tree) clear(dir string, fresh map[string]bool) error {
	entries, err := fs.ReadDir(t.root.FS(), dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := t.hide(path.Join(dir, e.Name()), fresh); err != nil {
			return err
		}
	}
	return nil
}

// finish gives folders their modes and times, the deepest first.
func (t *tree) finish() error {
	names := make([]string, 0, len(t.folders))
	for name := range t.folders {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return strings.Compare(b, a) })
	for _, name := range names {
		h := t.folders[name]
		mode := h.FileInfo().Mode()
		if !t.owners {
			mode |= 0o700 // who is not root must be able to remove them
		}
		if err := t.root.Chmod(name, mode.Perm()|mode&(fs.ModeSetuid|fs.ModeSetgid|fs.ModeSticky)); err != nil {
			return err
		}
		if err := t.root.Chtimes(name, h.ModTime, h.ModTime); err != nil {
			return err
		}
	}
	return nil
}

// create makes one file, in the place of an older one.
func (t *tree) create(name string, h *tar.Header, content io.Reader) error {
	if fi, err := t.root.Lstat(name); err == nil && !(fi.IsDir() && h.Typeflag == tar.TypeDir) {
		if err := t.remove(name); err != nil {
			return err
		}
	}
	switch h.Typeflag {
	case tar.TypeReg:
		return t.file(name, h, content)
	case tar.TypeDir:
		if err := t.root.Mkdir(name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		t.folders[name] = h
		return t.own(name, h)
	case tar.TypeSymlink:
		if err := t.root.Symlink(h.Linkname, name); err != nil {
			return err
		}
		if err := t.own(name, h); err != nil {
			return err
		}
		return t.at(name, func(dir int, base string) error { return setTime(dir, base, h.ModTime) })
	case tar.TypeLink:
		to := strings.TrimPrefix(path.Clean("/"+h.Linkname), "/")
		dir, base := path.Split(to)
		dir, err := t.parent(path.Clean(dir), 0)
		if err != nil {
			return err
		}
		return t.root.Link(path.Join(dir, base), name)
	case tar.TypeFifo:
		return t.fifo(name, h)
	case tar.TypeChar, tar.TypeBlock:
		return nil // a container has the devices that it is given
	}
	return fmt.Errorf("cannot unpack a file of type %q", h.Typeflag)
}

func (t *tree) file(name string, h *tar.Header, content io.Reader) error {
	if t.bytes += h.Size; t.bytes > maxBytes || h.Size < 0 {
		return fmt.Errorf("the image unpacks to more than %d bytes", int64(maxBytes))
	}
	f, err := t.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	if err == nil && t.owners {
		err = f.Chown(h.Uid, h.Gid)
	}
	if err == nil { // after the owner, whose change takes setuid bits away
		mode := h.FileInfo().Mode()
		err = f.Chmod(mode.Perm() | mode&(fs.ModeSetuid|fs.ModeSetgid|fs.ModeSticky))
	}
	if err == nil && t.owners {
		err = setXattrs(f, h)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return t.root.Chtimes(name, h.ModTime, h.ModTime)
}

// setXattrs sets what a layer may carry, file capabilities before all
// (image-spec, layer.md: xattrs).
func setXattrs(f *os.File, h *tar.Header) error {
	for key, value := range h.PAXRecords {
		if name, ok := strings.CutPrefix(key, "SCHILY.xattr."); ok {
			if err := unix.Fsetxattr(int(f.Fd()), name, []byte(value), 0); err != nil && !errors.Is(err, unix.ENOTSUP) {
				return fmt.Errorf("setting %s: %w", name, err)
			}
		}
	}
	return nil
}

func (t *tree) fifo(name string, h *tar.Header) error {
	err := t.at(name, func(dir int, base string) error {
		if err := unix.Mkfifoat(dir, base, uint32(h.FileInfo().Mode().Perm())); err != nil {
			return err
		}
		return setTime(dir, base, h.ModTime)
	})
	if err != nil {
		return err
	}
	return t.own(name, h)
}

// at calls f with the folder that a file is in, for what os.Root cannot do.
func (t *tree) at(name string, f func(dir int, base string) error) error {
	dir, err := t.root.Open(path.Dir(name))
	if err != nil {
		return err
	}
	defer dir.Close()
	return f(int(dir.Fd()), path.Base(name))
}

// setTime sets the time of a file, of a symbolic link itself.
func setTime(dir int, base string, at time.Time) error {
	ts := unix.NsecToTimespec(at.UnixNano())
	return unix.UtimesNanoAt(dir, base, []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW)
}

func (t *tree) own(name string, h *tar.Header) error {
	if !t.owners {
		return nil
	}
	return t.root.Lchown(name, h.Uid, h.Gid)
}
