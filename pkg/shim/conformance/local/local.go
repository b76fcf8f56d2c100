// Package local runs a shim's binary as the first process of a container that
// is made of nothing but Linux's namespaces: processes and network of its own,
// the host's files. Every instance has port 8080 for itself. It needs root.
package local

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/imgbuild/imgbuild/pkg/container/netns"
	"github.com/imgbuild/imgbuild/pkg/shim/conformance"
)

// Subject is a conformance.Subject.
type Subject struct {
	// Shim is the path of the binary.
	Shim string
	// Dir is where the functions' folders are made, "" for the system's
	// temporary folder.
	Dir string
	// Env is added to every container's environment.
	Env []string
}

// enter mounts a /proc that shows the new process namespace, and becomes the
// shim.
const enter = `mount -t proc proc /proc && exec "$@"`

// Start starts a container.
func (s Subject) Start(ctx context.Context, c conformance.Case) (conformance.Instance, error) {
	dir, err := os.MkdirTemp(s.Dir, "function-*")
	if err != nil {
		return nil, err
	}
	i := &instance{dir: dir, ended: make(chan struct{})}
	if err := i.start(ctx, s, c); err != nil {
		return nil, errors.Join(fmt.Errorf("starting a container: %w", err), os.RemoveAll(dir))
	}
	return i, nil
}

func (i *instance) start(ctx context.Context, s Subject, c conformance.Case) error {
	for name, f := range c.Files {
		if err := f.Place(filepath.Join(i.dir, name)); err != nil {
			return err
		}
	}
	words := []string{"-c", enter, "sh", s.Shim}
	if len(c.Command) > 0 {
		words = append(append(words, "--"), c.Command...)
	}
	i.cmd = exec.Command("sh", words...)
	if i.cmd.Dir = "/"; len(c.Command) > 0 {
		i.cmd.Dir = i.dir
	}
	i.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=/", "FC_FUNC_CODE_PATH=" + i.dir}, append(s.Env, c.Env...)...)
	i.cmd.Stdin, i.cmd.Stdout, i.cmd.Stderr = c.Stdin, c.Stdout, c.Stderr
	i.cmd.WaitDelay = 2 * time.Second
	i.cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS, Unshareflags: syscall.CLONE_NEWNS, Setpgid: true,
	}
	if err := netns.New(func(network *os.File) error { i.network = network; return i.cmd.Start() }); err != nil {
		return err
	}
	go func() {
		defer close(i.ended)
		_ = i.cmd.Wait()
	}()
	return nil
}

// instance is a running container.
type instance struct {
	dir     string
	cmd     *exec.Cmd
	network *os.File
	ended   chan struct{}
}

func (i *instance) Dial(ctx context.Context, port int) (net.Conn, error) {
	return netns.Dial(ctx, i.network, "tcp4", fmt.Sprintf("127.0.0.1:%d", port))
}

func (i *instance) Signal(s syscall.Signal) error { return i.cmd.Process.Signal(s) }

func (i *instance) Wait(ctx context.Context) (int, error) {
	select {
	case <-i.ended:
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	w, ok := i.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if ok && w.Signaled() {
		return 128 + int(w.Signal()), nil
	}
	return i.cmd.ProcessState.ExitCode(), nil
}

// Processes finds descendants: orphans of the container are its first
// process's children.
func (i *instance) Processes() ([]int, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	children := map[int][]int{}
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // it has just ended
		}
		var pid, parent int
		var state string
		_, rest, _ := strings.Cut(string(b), ") ")
		if _, err := fmt.Sscan(filepath.Base(filepath.Dir(path)), &pid); err != nil {
			continue
		}
		if _, err := fmt.Sscan(rest, &state, &parent); err == nil {
			children[parent] = append(children[parent], pid)
		}
	}
	all := []int{i.cmd.Process.Pid}
	for n := 0; n < len(all); n++ {
		all = append(all, children[all[n]]...)
	}
	return all, nil
}

// Close kills the first process, with which Linux ends all others.
func (i *instance) Close() error {
	_ = i.cmd.Process.Kill() // it may have ended
	<-i.ended
	return errors.Join(i.network.Close(), os.RemoveAll(i.dir))
}

// Compile builds the Go package pkg of the module in dir as a static binary.
func Compile(ctx context.Context, dir, out, pkg string, flags ...string) error {
	cmd := exec.CommandContext(ctx, "go", append(append([]string{"build", "-o", out}, flags...), pkg)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	said, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("compiling %s: %w: %s", pkg, err, said)
	}
	return nil
}
