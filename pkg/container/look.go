package container

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Open opens a file of the image for reading. Symbolic links lead where they
// lead in a container, never out of the image.
func (r *Rootfs) Open(name string) (*os.File, error) {
	root, err := os.OpenRoot(r.Path())
	if err != nil {
		return nil, err
	}
	defer root.Close()
	at, err := follow(root, name, 0)
	if err != nil {
		return nil, fmt.Errorf("opening %s of the image: %w", name, err)
	}
	// A FIFO must not hold us up.
	return root.OpenFile(at, os.O_RDONLY|unix.O_NONBLOCK, 0)
}

// follow returns a name without symbolic links.
func follow(root *os.Root, name string, links int) (string, error) {
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
		fi, err := root.Lstat(next)
		if err != nil {
			return "", err
		}
		if fi.Mode()&fs.ModeSymlink == 0 {
			at = next
			continue
		}
		if links++; links > maxLinks {
			return "", errors.New("too many symbolic links")
		}
		to, err := root.Readlink(next)
		if err != nil {
			return "", err
		}
		if !path.IsAbs(to) {
			to = at + "/" + to
		}
		return follow(root, to+"/"+strings.Join(parts[n+1:], "/"), links)
	}
	return at, nil
}

// Has says whether the image has a program: by path, or by name on its PATH.
func (r *Rootfs) Has(program string) bool {
	if strings.Contains(program, "/") {
		return r.executable(program)
	}
	for _, v := range merge(r.config.Env) {
		list, ok := strings.CutPrefix(v, "PATH=")
		if !ok {
			continue
		}
		for _, dir := range filepath.SplitList(list) {
			if r.executable(path.Join("/", dir, program)) {
				return true
			}
		}
	}
	return false
}

func (r *Rootfs) executable(name string) bool {
	f, err := r.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	fi, err := f.Stat()
	return err == nil && fi.Mode().IsRegular() && fi.Mode()&0o111 != 0
}

// Available says whether this process may run containers: nil, or an error
// that wraps ErrUnavailable.
func Available(context.Context) error {
	if !Privileged() {
		_, err := theNest()
		return err
	}
	if err := mayUnshare(); err != nil {
		return fmt.Errorf("%w: making namespaces: %w; give this process CAP_SYS_ADMIN and a seccomp filter that lets it call unshare(2) and mount(2)", ErrUnavailable, err)
	}
	return nil
}

// User finds what a Dockerfile's USER says in the image's own files; "" is
// root.
func (r *Rootfs) User(spec string) (uid, gid int, err error) {
	u, err := lookUpFiles(cmp.Or(spec, "0"), r.Open)
	return u.uid, u.gid, err
}
