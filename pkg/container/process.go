package container

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/imgbuild/imgbuild/pkg/container/cgroup"
	"github.com/imgbuild/imgbuild/pkg/container/netns"
)

// process is the first process of a container, started by this process, which
// has the rights to.
type process struct {
	cmd *exec.Cmd
	// handle is a pidfd: signals through it never reach another process that
	// got the number.
	handle int
	net    *os.File
	ended  chan struct{} // closed; then cmd.ProcessState is there
}

// startLimit is how long a container may take to become the image's entrypoint.
const startLimit = time.Minute

// startProcess starts a container of that setup with these standard files, in
// the control group with these folders. It returns when the image's entrypoint
// runs, or ctx has ended, which is for the start alone.
func startProcess(ctx context.Context, setup *os.File, std [3]*os.File, groups []string) (*process, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, startLimit, fmt.Errorf("it did not begin within %s", startLimit))
	defer cancel()
	ours, theirs, err := socketPair(unix.SOCK_STREAM)
	if err != nil {
		return nil, err
	}
	defer ours.Close()
	p := &process{handle: -1, ended: make(chan struct{})}
	p.cmd = &exec.Cmd{
		Path: "/proc/self/exe", Args: []string{initName}, Env: []string{}, Dir: "/",
		Stdin: std[0], Stdout: std[1], Stderr: std[2], ExtraFiles: []*os.File{theirs, setup},
		SysProcAttr: &syscall.SysProcAttr{
			Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS,
			Setsid:     true, Pdeathsig: syscall.SIGKILL, PidFD: &p.handle,
		},
	}
	err = spawn(p.cmd.Start)
	theirs.Close()
	if err != nil {
		return nil, fmt.Errorf("making namespaces: %w", err)
	}
	// It waits for letGo, so nothing of the image escapes. Nobody has waited
	// for it yet: the number is its own.
	placed := cgroup.Place(groups, p.cmd.Process.Pid)
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait() // the state has it
	}()
	if placed != nil {
		p.close()
		return nil, fmt.Errorf("%w: %w", errNotPlaced, placed)
	}
	if err := p.letGo(ctx, ours); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// letGo tells the process to go on and waits until it is the entrypoint.
func (p *process) letGo(ctx context.Context, control *os.File) (err error) {
	if p.net, err = netns.Open(p.cmd.Process.Pid); err != nil {
		return fmt.Errorf("opening the container's network: %w", err)
	}
	killed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(killed)
		_ = p.signal(syscall.SIGKILL)
	})
	defer func() {
		if !stop() {
			<-killed
			err = context.Cause(ctx)
		}
	}()
	if _, err := control.Write([]byte{1}); err != nil {
		return fmt.Errorf("the container ended before it began: %w", err)
	}
	said := &failure{}
	err = json.NewDecoder(io.LimitReader(control, 64<<10)).Decode(said)
	switch {
	case errors.Is(err, io.EOF): // exec(2) closed its end
		return nil
	case err != nil:
		return err
	}
	return said
}

func (p *process) signal(s syscall.Signal) error {
	return unix.PidfdSendSignal(p.handle, s, nil, 0)
}

// status is a shell's exit code, once the process has ended.
func (p *process) status() int {
	return exitCode(p.cmd.ProcessState.Sys().(syscall.WaitStatus)) // on Unix it is one
}

func exitCode(w syscall.WaitStatus) int {
	if w.Signaled() {
		return 128 + int(w.Signal())
	}
	return w.ExitStatus()
}

// close kills the process, with which Linux ends all others of its namespace,
// and waits for its end.
func (p *process) close() {
	_ = p.signal(syscall.SIGKILL) // it may have ended
	<-p.ended
	if p.net != nil {
		p.net.Close()
	}
	unix.Close(p.handle)
}

// spawner runs functions on a thread of its own that lives as long as this
// process: a child that is to die with its parent dies with the thread which
// started it (PR_SET_PDEATHSIG in prctl(2)), and Go ends threads.
var spawner = sync.OnceValue(func() chan<- func() {
	c := make(chan func())
	go func() {
		runtime.LockOSThread()
		for f := range c {
			f()
		}
	}()
	return c
})

// Spawn calls f on a thread that lives as long as this process: what f starts
// with a Pdeathsig gets the signal when this process ends, and not before.
func Spawn(f func() error) error { return spawn(f) }

func spawn(f func() error) error {
	failed := make(chan error, 1)
	spawner() <- func() { failed <- f() }
	return <-failed
}
