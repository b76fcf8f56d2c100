package program

import (
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// Process is a program that was started. Its methods are for any goroutine.
type Process struct {
	command *Command
	env     []string
	pid     int
	began   time.Time
	done    chan struct{} // closed once exit holds

	mu     sync.Mutex         // held while a signal is sent and while it is waited for
	exit   syscall.WaitStatus // valid after done
	ran    time.Duration      // valid after done
	killed bool               // by Kill
	// outOfMemory: Linux has killed it, or a process next to it, for that.
	outOfMemory bool
}

// Start runs c in a process group of its own, with env as its environment
// (entries NAME=value) and files as its standard input, output and error. The
// caller closes its own copies of them. Start may be called any number of
// times, also by many goroutines at once; every process is waited for. Errors
// are *StartError.
//
// Processes are made by fork and exec alone: os/exec would wait for them
// beside the reaper.
func Start(c *Command, env []string, files [3]*os.File) (*Process, error) {
	children.reaping.Do(reap)
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
	p := &Process{command: c, env: env, began: time.Now(), done: make(chan struct{})}
	children.forking.RLock()
	defer children.forking.RUnlock()
	var err error
	if p.pid, err = syscall.ForkExec(c.Path, c.Argv, attr); err != nil {
		return nil, explain(c, env, err)
	}
	children.mu.Lock()
	defer children.mu.Unlock()
	if children.byPID == nil {
		children.byPID = map[int]*Process{}
	}
	children.byPID[p.pid] = p
	return p, nil
}

// PID is the number of the process, and that of its process group.
func (p *Process) PID() int { return p.pid }

// Done is closed once the program has ended and its status is known.
func (p *Process) Done() <-chan struct{} { return p.done }

// hasEnded says whether Done is closed.
func (p *Process) hasEnded() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// waitFor says whether the program ended within d.
func (p *Process) waitFor(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-p.done:
		return true
	case <-t.C:
		return false
	}
}

// takenApart is how long Linux may need to take a program apart: with much
// memory, on a busy machine, or where a control group lets it run rarely.
const takenApart = 5 * time.Second

// Ends says whether the program ended within d, or will now: then it waits for
// that.
func (p *Process) Ends(d time.Duration) bool {
	if p.waitFor(d) {
		return true
	}
	// Where it is no longer there it has been waited for, and its status will be
	// known in a moment.
	if s, ok := readStat(p.pid); ok && s.exiting || syscall.Kill(p.pid, 0) == syscall.ESRCH {
		return p.waitFor(takenApart)
	}
	return p.hasEnded()
}

// Code is the exit code as a shell has it: the program's own, or 128+n where
// signal n ended it. It waits for the end.
func (p *Process) Code() int {
	<-p.done
	if p.exit.Signaled() {
		return 128 + int(p.exit.Signal())
	}
	return p.exit.ExitStatus()
}

// Ending says how the program ended, for people, as in "ended with exit code
// 3". It waits for the end.
func (p *Process) Ending() string {
	<-p.done
	if p.exit.Signaled() {
		return "was ended by signal " + signalName(p.exit.Signal())
	}
	return "ended with exit code " + strconv.Itoa(p.exit.ExitStatus())
}

func signalName(s syscall.Signal) string {
	return strconv.Itoa(int(s)) + " (" + s.String() + ")"
}
