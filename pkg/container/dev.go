package container

import (
	"fmt"
	"os"

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

// settle writes the files that depend on the container and not on the image.
func (s *setup) settle() error {
	if err := os.Mkdir("/tmp", 0o777|os.ModeSticky); err == nil {
		if err := os.Chmod("/tmp", 0o777|os.ModeSticky); err != nil {
			return err
		}
	}
	if err := os.MkdirAll("/etc", 0o755); err != nil {
		return err
	}
	hosts := "127.0.0.1\tlocalhost\n::1\tlocalhost\n"
	if s.Hostname != "localhost" {
		hosts += "127.0.0.1\t" + s.Hostname + "\n"
	}
	for path, content := range map[string]string{
		"/etc/hosts":       hosts,
		"/etc/hostname":    s.Hostname + "\n",
		"/etc/resolv.conf": "# the container has no network but loopback\n",
	} {
		_ = os.Remove(path) // it may be a link to what is not there
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}
