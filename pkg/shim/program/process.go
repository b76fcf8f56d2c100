package program

import (
	"errors"
	"os"
	"strconv"
	"syscall"
	"time"
	"unsafe"
)

// Process is the started program. It is made by fork and exec alone: os/exec
// would wait for it beside the reaper.
type Process struct {
	pid  int
	done chan struct{}      // closed once status holds
	exit syscall.WaitStatus // valid after done
	err  error              // the reaper's, valid after done
}

// Start runs c in its own process group with those files as its standard
// input, output and error. Errors are *StartError.
func Start(c *Command, env []string, files [3]*os.File) (*Process, error) {
	attr := &syscall.ProcAttr{
		Dir: c.Dir, Env: env,
		Files: []uintptr{files[0].Fd(), files[1].Fd(), files[2].Fd()},
		Sys:   &syscall.SysProcAttr{Setpgid: true},
	}
	if ownsTerminal(files[0].Fd()) {
		// A program that is not in the foreground group is stopped as soon
		// as it reads from the terminal.
		attr.Sys.Foreground, attr.Sys.Ctty = true, int(files[0].Fd())
	}
	pid, err := syscall.ForkExec(c.Path, c.Argv, attr)
	if err != nil {
		return nil, explain(c, err)
	}
	p := &Process{pid: pid, done: make(chan struct{})}
	go p.reap()
	return p, nil
}

// Signal sends s to the program's process group.
func (p *Process) Signal(s syscall.Signal) {
	select {
	case <-p.done:
		return // the number may already be another process's
	default:
	}
	if errors.Is(syscall.Kill(-p.pid, s), syscall.ESRCH) {
		_ = syscall.Kill(p.pid, s) // the program has left its group
	}
}

// Code is the exit code of a shell: the program's own, or 128+n on signal n.
func (p *Process) Code() int {
	switch {
	case p.err != nil:
		return 1
	case p.exit.Signaled():
		return 128 + int(p.exit.Signal())
	}
	return p.exit.ExitStatus()
}

// Ending says how the program ended, for people.
func (p *Process) Ending() string {
	switch {
	case p.err != nil:
		return "was lost: " + p.err.Error()
	case p.exit.Signaled():
		return "was ended by signal " + strconv.Itoa(int(p.exit.Signal())) + " (" + p.exit.Signal().String() + ")"
	}
	return "ended with exit code " + strconv.Itoa(p.exit.ExitStatus())
}

// ownsTerminal says whether fd is our controlling terminal and we are in its
// foreground group.
func ownsTerminal(fd uintptr) bool {
	var group int32
	if ioctl(fd, syscall.TIOCGPGRP, unsafe.Pointer(&group)) != nil {
		return false
	}
	return int(group) == syscall.Getpgrp()
}

func IsTerminal(f *os.File) bool {
	var t syscall.Termios
	return ioctl(f.Fd(), syscall.TCGETS, unsafe.Pointer(&t)) == nil
}

func ioctl(fd, request uintptr, arg unsafe.Pointer) error {
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, fd, request, uintptr(arg)); errno != 0 {
		return errno
	}
	return nil
}

// WaitFor says whether the program ended within d.
func (p *Process) WaitFor(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-p.done:
		return true
	case <-t.C:
		return false
	}
}

// Done is closed once the program has ended and its status is known.
func (p *Process) Done() <-chan struct{} { return p.done }

// PID is the program's process id.
func (p *Process) PID() int { return p.pid }

// End kills what is left of the program's process group. Where the shim is
// PID 1 Linux does so for every process.
func (p *Process) End() {
	if os.Getpid() != 1 {
		_ = syscall.Kill(-p.pid, syscall.SIGKILL)
	}
}
