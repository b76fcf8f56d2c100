package container

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// mount makes the container's root file system and enters it. Paths of the
// image are looked at only when the host's files are out of reach of its
// symbolic links.
func (s *setup) mount() error {
	defer unix.Umask(unix.Umask(0))
	if err := private(); err != nil {
		return err
	}
	host, err := s.hold()
	if err != nil {
		return err
	}
	root, err := s.root()
	if err != nil {
		return err
	}
	old, err := pivot(root)
	if err != nil {
		return err
	}
	defer unix.Close(old)
	if err := s.special(host.dev); err != nil {
		return err
	}
	if err := s.showGroups(host.groups); err != nil {
		return err
	}
	if err := s.settle("/"); err != nil { // before the caller's folders cover the image's
		return err
	}
	if err := s.binds(host.mounts); err != nil {
		return err
	}
	// The old root lies under the new one, where only this file reaches it.
	if err := unix.Fchdir(old); err != nil {
		return err
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("letting go of the host's files: %w", err)
	}
	return os.Chdir("/")
}

// private has what is mounted from now on stay in this namespace.
func private() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("taking the mounts out of the host's sight: %w", err)
	}
	return nil
}

// held are files of the host that are mounted when it is out of sight.
type held struct {
	dev    int
	mounts []int
	groups map[string]int // by their places in the container
}

func (s *setup) hold() (h held, err error) {
	if h.dev, err = unix.Open("/dev", unix.O_PATH|unix.O_CLOEXEC, 0); err != nil {
		return h, fmt.Errorf("opening /dev: %w", err)
	}
	for _, m := range s.Mounts {
		fd, err := unix.Open(m.Source, unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			return h, fmt.Errorf("mounting %s: %w", m.Source, err)
		}
		h.mounts = append(h.mounts, fd)
	}
	h.groups = map[string]int{}
	for target, path := range s.Groups {
		if h.groups[target], err = unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0); err != nil {
			return h, fmt.Errorf("opening the container's control group: %w", err)
		}
	}
	return h, nil
}

// root mounts the image's files with a writable top, and returns where. All
// names are relative to the working directory, so that none has a character
// which means something to overlayfs.
func (s *setup) root() (string, error) {
	if s.Copy != "" {
		if err := unix.Mount(s.Copy, s.Copy, "", unix.MS_BIND, ""); err != nil {
			return "", fmt.Errorf("mounting the copy of the image: %w", err)
		}
		return s.Copy, nil
	}
	if err := s.top(); err != nil {
		return "", err
	}
	if err := os.Chdir(s.Base); err != nil {
		return "", err
	}
	for _, dir := range []string{"lower", "upper", "work", "root"} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return "", err
		}
	}
	if err := unix.Mount(s.Lower, "lower", "", unix.MS_BIND, ""); err != nil {
		return "", fmt.Errorf("mounting the image's files: %w", err)
	}
	if err := sameMode("lower", "upper"); err != nil {
		return "", err
	}
	options := "lowerdir=lower,upperdir=upper,workdir=work"
	if s.Nested {
		options += ",userxattr" // trusted.* is root's alone (Linux 5.11)
	}
	if err := unix.Mount("imgbuild", "root", "overlay", unix.MS_NODEV, options); err != nil {
		return "", fmt.Errorf("%w: %w", errNoOverlay, err)
	}
	return s.rootPath(), nil
}

// rootPath is where root mounts the image's files.
func (s *setup) rootPath() string {
	if s.Copy != "" {
		return s.Copy
	}
	return filepath.Join(s.Base, "root")
}

// top mounts, at the base, what is written.
func (s *setup) top() error {
	size := "mode=0755,size=" + strconv.FormatInt(s.Disk, 10)
	if err := unix.Mount("imgbuild", s.Base, "tmpfs", unix.MS_NODEV, size); err != nil {
		return fmt.Errorf("mounting a tmpfs: %w", err)
	}
	return nil
}

// sameMode gives to a new folder the mode of another.
func sameMode(from, to string) error {
	fi, err := os.Stat(from)
	if err != nil {
		return err
	}
	return os.Chmod(to, fi.Mode())
}

// pivot makes root the root, and returns the old one, which stays mounted
// under it (pivot_root(2), notes: pivot_root(".", ".")).
func pivot(root string) (old int, err error) {
	if old, err = unix.Open("/", unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err != nil {
		return 0, err
	}
	if err := os.Chdir(root); err != nil {
		return 0, err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return 0, fmt.Errorf("making the image's files the root: %w", err)
	}
	return old, os.Chdir("/")
}

// special mounts /proc and /dev.
func (s *setup) special(dev int) error {
	if err := mountAt("/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return err
	}
	if err := devices(dev); err != nil {
		return err
	}
	if s.Nested {
		return nil // only what root of the host may do is dangerous in /proc
	}
	return maskProc()
}

// binds mounts the caller's files, which are open.
func (s *setup) binds(files []int) error {
	for n, m := range s.Mounts {
		if err := bind(files[n], m.Target); err != nil {
			return fmt.Errorf("mounting %s to %s: %w", m.Source, m.Target, err)
		}
		if m.ReadOnly {
			if err := readOnly(m.Target); err != nil {
				return fmt.Errorf("mounting %s read-only: %w", m.Source, err)
			}
		}
	}
	return nil
}

// showGroups mounts the container's control group, read-only, so that programs
// find their limits and how often Linux has killed one. /sys has nothing else.
func (s *setup) showGroups(groups map[string]int) error {
	for target, fd := range groups {
		err := bind(fd, target)
		if err == nil {
			err = readOnly(target)
		}
		if err != nil {
			return fmt.Errorf("mounting the container's control group to %s: %w", target, err)
		}
	}
	return nil
}

func mountAt(target, kind string, flags uintptr, options string) error {
	if err := os.MkdirAll(target, 0o755); err != nil {
		return fmt.Errorf("mounting %s: %w", target, err)
	}
	if err := unix.Mount("imgbuild", target, kind, flags, options); err != nil {
		return fmt.Errorf("mounting %s: %w", target, err)
	}
	return nil
}

// bind mounts what fd is open for, which may be out of the new root's reach.
func bind(fd int, target string) error {
	source := "/proc/self/fd/" + strconv.Itoa(fd)
	fi, err := os.Stat(source)
	if err != nil {
		return err
	}
	if fi.IsDir() {
		err = os.MkdirAll(target, 0o755)
	} else if err = os.MkdirAll(filepath.Dir(target), 0o755); err == nil {
		var f *os.File
		if f, err = os.OpenFile(target, os.O_CREATE|os.O_RDONLY|unix.O_NONBLOCK, 0o644); err == nil {
			err = f.Close()
		}
	}
	if err != nil {
		return err
	}
	return unix.Mount(source, target, "", unix.MS_BIND|unix.MS_REC, "")
}

// readOnly remounts a bind mount; flags that the mount has must stay, in a user
// namespace they are locked (mount_namespaces(7)).
func readOnly(target string) error {
	var st unix.Statfs_t
	if err := unix.Statfs(target, &st); err != nil {
		return err
	}
	// The flags of statfs(2) have the values of mount(2)'s, but for
	// ST_RELATIME.
	keep := uintptr(st.Flags) & (unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC | unix.MS_NOATIME | unix.MS_NODIRATIME)
	return unix.Mount("", target, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY|keep, "")
}

// What Docker keeps from containers in /proc: the settings of the whole
// machine.
var (
	readOnlyProc = []string{"bus", "fs", "irq", "sys", "sysrq-trigger"}
	hiddenProc   = []string{"kcore", "keys", "latency_stats", "timer_list", "sched_debug", "acpi", "scsi"}
)

func maskProc() error {
	for _, name := range readOnlyProc {
		path := "/proc/" + name
		err := unix.Mount(path, path, "", unix.MS_BIND, "")
		if err == nil {
			err = readOnly(path)
		}
		if err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("protecting %s: %w", path, err)
		}
	}
	for _, name := range hiddenProc {
		path := "/proc/" + name
		fi, err := os.Stat(path)
		if err != nil {
			continue
		}
		if fi.IsDir() {
			err = unix.Mount("imgbuild", path, "tmpfs", unix.MS_RDONLY, "size=0")
		} else {
			err = unix.Mount("/dev/null", path, "", unix.MS_BIND, "")
		}
		if err != nil {
			return fmt.Errorf("hiding %s: %w", path, err)
		}
	}
	return nil
}
