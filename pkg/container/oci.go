package container

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/imgbuild/imgbuild/pkg/container/netns"
)

// Where an OCI runtime (runc, crun) is to run a container, imgbuild stays the first
// process of the namespaces that the container would have without it, and the
// runtime makes more inside of them. So what it leaves, mounts and state, goes with
// them; the network is theirs, and the control group is the one they are in.

// FindRuntime finds an OCI runtime on the PATH.
func FindRuntime(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("%s is not installed", name)
	}
	return filepath.Abs(path)
}

const crun = "crun"

// withoutGroups keeps a runtime from control groups, for the container is in its
// own already, and others would stay. It returns the options for that. crun wants
// nothing to do with a machine that has both kinds of them, and runc not with one
// that has none.
func withoutGroups(runtime string) (options []string, err error) {
	const groups = "/sys/fs/cgroup"
	if filepath.Base(runtime) == crun {
		options = []string{"--cgroup-manager", "disabled"}
		err = unix.Mount("imgbuild", groups, "tmpfs", unix.MS_RDONLY, "size=0")
	} else {
		options = []string{"--rootless", "true"} // is about control groups only
		attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
		err = unix.MountSetattr(unix.AT_FDCWD, groups, unix.AT_RECURSIVE, &attr)
		if errors.Is(err, unix.EINVAL) { // nothing is mounted there
			err = nil
		}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("keeping %s from control groups (needs Linux 5.12): %w", runtime, err)
	}
	return options, nil
}

// runIn has the runtime start the container, and stays until that has ended. It
// returns only with an error.
func (s *setup) runIn() error {
	signals := make(chan os.Signal, 64)
	signal.Notify(signals)
	restore := unix.Umask(0)
	if err := s.mountBundle(); err != nil {
		return err
	}
	unix.Umask(restore)
	if err := netns.LoopbackUp(); err != nil {
		return err
	}
	pid, err := s.startIn(filepath.Join(s.Base, inRuntime))
	if err != nil {
		return err
	}
	go func() {
		for got := range signals {
			switch n, _ := got.(syscall.Signal); n {
			case syscall.SIGCHLD, syscall.SIGURG, syscall.SIGPIPE: // ours
			default:
				_ = syscall.Kill(pid, n) // it may have ended
			}
		}
	}()
	unix.Close(controlFD) // it has begun
	for {
		var status syscall.WaitStatus
		ended, err := syscall.Wait4(-1, &status, 0, nil) // who lost its parent is ours
		switch {
		case errors.Is(err, syscall.EINTR), err == nil && ended != pid:
		case err != nil:
			os.Exit(1)
		default:
			os.Exit(exitCode(status))
		}
	}
}

// mountBundle mounts the files of the container, and writes what the runtime gets.
func (s *setup) mountBundle() error {
	if err := private(); err != nil {
		return err
	}
	if _, err := s.root(); err != nil {
		return err
	}
	if s.Copy != "" { // then nothing is mounted at the base
		if err := s.top(); err != nil {
			return err
		}
	}
	if err := s.settle(s.rootPath()); err != nil {
		return err
	}
	// The runtime looks for its processes by this namespace's numbers.
	if err := mountAt("/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return err
	}
	dir := filepath.Join(s.Base, inRuntime)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	if err := s.showGroupsIn(); err != nil {
		return err
	}
	b, err := json.Marshal(s.Config)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "config.json"), b, 0o600)
}

// showGroupsIn mounts the container's control group where the runtime finds it.
func (s *setup) showGroupsIn() error {
	for n, target := range s.groupTargets() {
		if err := os.Mkdir(s.groupPath(n), 0o755); err != nil {
			return err
		}
		if err := unix.Mount(s.Groups[target], s.groupPath(n), "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("mounting the container's control group: %w", err)
		}
	}
	return nil
}

// startIn has the runtime start what is in dir, and returns the number of the
// container's first process.
func (s *setup) startIn(dir string) (pid int, err error) {
	options, err := withoutGroups(s.Runtime)
	if err != nil {
		return 0, err
	}
	pidFile, log := filepath.Join(dir, "pid"), filepath.Join(dir, "log")
	args := slices.Concat(options, []string{
		"--root", filepath.Join(dir, "state"), "--log", log, "--log-format", "json",
		"run", "--detach", "--bundle", dir, "--pid-file", pidFile, "function"})
	cmd := exec.Command(s.Runtime, args...)
	cmd.Env = []string{defaultPath, "XDG_RUNTIME_DIR=" + dir}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr // the container's
	if err := cmd.Run(); err != nil {
		return 0, fmt.Errorf("starting %s of the image: %w", s.Argv[0], cmp.Or(lastError(log), fmt.Errorf("%s: %w", s.Runtime, err)))
	}
	b, err := os.ReadFile(pidFile)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(b)))
}

// lastError is the last one of a runtime's log, nil where there is none.
func lastError(path string) (last error) {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	for lines := json.NewDecoder(io.LimitReader(f, 1<<20)); ; {
		var line struct{ Level, Msg string }
		if lines.Decode(&line) != nil {
			return last
		}
		if line.Level == "error" {
			last = errors.New(line.Msg)
		}
	}
}
