package shim

import (
	"errors"
	"os"
	"strconv"
	"syscall"
	"time"
	"unsafe"
)

// process is the started program. It is made by fork and exec alone: os/exec
// would wait for it beside the reaper.
type process struct {
	pid  int
	done chan struct{}      // closed once status holds
	exit syscall.WaitStatus // valid after done
	err  error              // the reaper's, valid after done
}

// start runs c in its own process group with those files as its standard
// input, output and error. Errors are *StartError.
func start(c *Command, env Environ, files [3]*os.File) (*process, error) {
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
	p := &process{pid: pid, done: make(chan struct{})}
	go p.reap()
	return p, nil
}

// signal sends s to the program's process group.
func (p *process) signal(s syscall.Signal) {
	select {
	case <-p.done:
		return // the number may already be another process's
	default:
	}
	if errors.Is(syscall.Kill(-p.pid, s), syscall.ESRCH) {
		_ = syscall.Kill(p.pid, s) // the program has left its group
	}
}

// code is the exit code of a shell: the program's own, or 128+n on signal n.
func (p *process) code() int {
	switch {
	case p.err != nil:
		return 1
	case p.exit.Signaled():
		return 128 + int(p.exit.Signal())
	}
	return p.exit.ExitStatus()
}

// ending says how the program ended, for people.
func (p *process) ending() string {
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

func isTerminal(f *os.File) bool {
	var t syscall.Termios
	return ioctl(f.Fd(), syscall.TCGETS, unsafe.Pointer(&t)) == nil
}

func ioctl(fd, request uintptr, arg unsafe.Pointer) error {
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, fd, request, uintptr(arg)); errno != 0 {
		return errno
	}
	return nil
}

// waitFor says whether the program ended within d.
func (p *process) waitFor(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-p.done:
		return true
	case <-t.C:
		return false
	}
}
