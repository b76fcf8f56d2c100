package container

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// The devices that every container has, the host's own.
var deviceNames = []string{"null", "zero", "full", "random", "urandom", "tty"}

var deviceLinks = map[string]string{
	"/dev/fd": "/proc/self/fd", "/dev/stdin": "/proc/self/fd/0", "/dev/stdout": "/proc/self/fd/1", "/dev/stderr": "/proc/self/fd/2",
	"/dev/ptmx": "pts/ptmx",
}

// devices makes /dev from that of the host, for which dev is open.
func devices(dev int) error {
	const quiet = unix.MS_NOSUID | unix.MS_NOEXEC
	if err := mountAt("/dev", "tmpfs", quiet|unix.MS_STRICTATIME, "mode=0755,size=65536"); err != nil {
		return err
	}
	for _, name := range deviceNames {
		fd, err := unix.Openat(dev, name, unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("opening /dev/%s: %w", name, err)
		}
		err = bind(fd, "/dev/"+name)
		unix.Close(fd)
		if err != nil {
			return fmt.Errorf("making /dev/%s: %w", name, err)
		}
	}
	for name, to := range deviceLinks {
		if err := os.Symlink(to, name); err != nil {
			return err
		}
	}
	if err := mountAt("/dev/pts", "devpts", quiet, "newinstance,ptmxmode=0666,mode=0620"); err != nil {
		return err
	}
	return mountAt("/dev/shm", "tmpfs", quiet|unix.MS_NODEV, "mode=1777,size=67108864")
}

// texts are the files that depend on the container and not on the image.
func (s *setup) texts() map[string]string {
	hosts := "127.0.0.1\tlocalhost\n::1\tlocalhost\n"
	if s.Hostname != "localhost" {
		hosts += "127.0.0.1\t" + s.Hostname + "\n"
	}
	return map[string]string{
		"/etc/hosts":       hosts,
		"/etc/hostname":    s.Hostname + "\n",
		"/etc/resolv.conf": "# the container has no network but loopback\n",
	}
}

// settle makes what every container has in the root at path, and writes its texts.
func (s *setup) settle(path string) error {
	root, err := os.OpenRoot(path)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := root.Mkdir("tmp", 0o777); err == nil {
		if err := root.Chmod("tmp", 0o777|os.ModeSticky); err != nil {
			return err
		}
	}
	for name, content := range s.texts() {
		dir, err := follow(root, filepath.Dir(name), 0)
		if errors.Is(err, fs.ErrNotExist) {
			dir = strings.TrimPrefix(filepath.Dir(name), "/")
			err = root.MkdirAll(dir, 0o755)
		}
		if err != nil {
			return err
		}
		name = filepath.Join(dir, filepath.Base(name))
		_ = root.Remove(name) // it may be a link to what is not there
		if err := root.WriteFile(name, []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}
