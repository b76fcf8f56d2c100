package container

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// duplicate copies the files for one container, where there is no overlayfs.
// io.Copy makes copies that share their blocks where the file system can
// (copy_file_range(2)). Hard links would not do: a container may write to a
// file in place.
func (r *Rootfs) duplicate(ctx context.Context) (dir string, err error) {
	dir, err = r.store.TempDir("container-*")
	if err != nil {
		return "", err
	}
	if err := duplicateTree(ctx, r.Path(), dir, false); err != nil {
		return "", errors.Join(fmt.Errorf("copying the image's files: %w", r.store.Explain(err)), removeAll(dir))
	}
	return dir, nil
}

// duplicateTree makes a tree like from in the folder to. linked, its files are
// the very same: for who puts new files into the place of old ones and writes
// into none.
func duplicateTree(ctx context.Context, from, to string, linked bool) error {
	same := map[[2]uint64]string{} // files with several names
	type folder struct {
		path string
		fi   fs.FileInfo
	}
	var folders []folder
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		if linked && !fi.IsDir() {
			return os.Link(path, target)
		}
		st := fi.Sys().(*syscall.Stat_t)
		if id := [2]uint64{st.Dev, st.Ino}; !fi.IsDir() && st.Nlink > 1 {
			if first, ok := same[id]; ok {
				return os.Link(first, target)
			}
			same[id] = target
		}
		switch fi.Mode().Type() {
		case 0:
			err = duplicateFile(path, target)
		case fs.ModeDir:
			folders = append(folders, folder{target, fi})
			if rel != "." {
				err = os.Mkdir(target, 0o700)
			}
		case fs.ModeSymlink:
			var link string
			if link, err = os.Readlink(path); err == nil {
				err = os.Symlink(link, target)
			}
		case fs.ModeNamedPipe:
			err = unix.Mkfifo(target, 0o600)
		}
		if err == nil && owners() {
			err = os.Lchown(target, int(st.Uid), int(st.Gid))
		}
		if err == nil && (fi.Mode().IsRegular() || fi.Mode().Type() == fs.ModeNamedPipe) {
			err = withModeOf(target, fi)
		}
		return err
	})
	if err != nil {
		return err
	}
	for n := len(folders) - 1; n >= 0; n-- { // the deepest first
		if err := withModeOf(folders[n].path, folders[n].fi); err != nil {
			return err
		}
	}
	return nil
}

func withModeOf(path string, fi fs.FileInfo) error {
	if err := os.Chmod(path, fi.Mode()); err != nil {
		return err
	}
	return os.Chtimes(path, time.Time{}, fi.ModTime())
}

func duplicateFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
