package container

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/imgbuild/imgbuild/pkg/container/netns"
)

// begin is the first process of a container, in its new namespaces. It makes
// the root file system and becomes the image's entrypoint. It returns only
// with an error.
func begin() error {
	// What prctl(2) sets belongs to a thread; exec keeps that of the caller.
	runtime.LockOSThread()
	if err := unix.CloseRange(controlFD, ^uint(0), unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("closing files (needs Linux 5.11): %w", err)
	}
	var s setup
	b, err := io.ReadAll(os.NewFile(setupFD, "setup"))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("reading the setup: %w", err)
	}
	// The other side says when it is ready for us; it may have died instead.
	if n, err := unix.Read(controlFD, make([]byte, 1)); n != 1 {
		return fmt.Errorf("nobody waits for this container: %w", err)
	}
	if s.Runtime != "" {
		return s.runIn()
	}
	if err := s.mount(); err != nil {
		return err
	}
	if err := unix.Sethostname([]byte(s.Hostname)); err != nil {
		return fmt.Errorf("setting the host name: %w", err)
	}
	if err := netns.LoopbackUp(); err != nil {
		return err
	}
	u, err := lookUpFiles(s.User, func(name string) (*os.File, error) {
		return os.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0) // a FIFO must not hold us up
	})
	if err != nil {
		return err
	}
	if err := os.MkdirAll(s.Dir, 0o755); err != nil {
		return fmt.Errorf("making the working directory: %w", err)
	}
	if err := u.become(s.Nested); err != nil {
		return err
	}
	if err := os.Chdir(s.Dir); err != nil {
		return fmt.Errorf("entering the working directory: %w", err)
	}
	// Again, for it is forgotten when the user changes. Who has gone in
	// between closed the socket.
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return err
	}
	poll := []unix.PollFd{{Fd: controlFD}}
	if n, err := unix.Poll(poll, 0); n != 0 || err != nil {
		return errors.New("nobody waits for this container")
	}
	s.Env = merge(s.Env)
	if !hasName(s.Env, "HOME") {
		s.Env = append(s.Env, "HOME="+u.home)
	}
	path, err := find(s.Argv[0], s.Env)
	if err != nil {
		return err
	}
	return fmt.Errorf("starting %s of the image: %w", path, syscall.Exec(path, s.Argv, s.Env))
}

func hasName(env []string, name string) bool {
	for _, v := range env {
		if strings.HasPrefix(v, name+"=") {
			return true
		}
	}
	return false
}

// find looks a program up on the container's PATH.
func find(name string, env []string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	for _, v := range env {
		list, ok := strings.CutPrefix(v, "PATH=")
		if !ok {
			continue
		}
		for _, dir := range filepath.SplitList(list) {
			if path, err := exec.LookPath(filepath.Join("/", dir, name)); err == nil {
				return path, nil
			}
		}
	}
	return "", fmt.Errorf("starting the image's %s: no such program on its PATH", name)
}
