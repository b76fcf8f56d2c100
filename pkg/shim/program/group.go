package program

import (
	"errors"
	"os"
	"syscall"
	"time"
)

// Signal sends s to the program's process group. After the program's end it
// does nothing: the number may be another's.
func (p *Process) Signal(s syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.hasEnded() {
		return
	}
	if errors.Is(syscall.Kill(-p.pid, s), syscall.ESRCH) {
		_ = syscall.Kill(p.pid, s) // the program has left its group
	}
}

// Kill ends the program, its process group, and the processes below it that
// have left the group, as daemons do. It does not wait.
func (p *Process) Kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.hasEnded() {
		return
	}
	p.killed = true
	below := Descendants(p.pid) // before their parents go
	_ = syscall.Kill(-p.pid, syscall.SIGKILL)
	_ = syscall.Kill(p.pid, syscall.SIGKILL)
	for _, pid := range below {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// KillAll ends every process below this one that is still there: what
// programs left behind. For PID 1 there is nothing to do: with it Linux ends
// all processes of the container.
func KillAll() {
	if os.Getpid() == 1 {
		return
	}
	// A process may fork while it is looked for, so that it takes rounds.
	for range 20 {
		below := living(Descendants(os.Getpid()))
		if len(below) == 0 {
			return
		}
		for _, pid := range below {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		time.Sleep(time.Millisecond)
	}
}

// living leaves out the processes that have ended and were not waited for.
func living(pids []int) []int {
	var out []int
	for _, pid := range pids {
		if s, ok := readStat(pid); ok && s.state != 'Z' && s.state != 'X' {
			out = append(out, pid)
		}
	}
	return out
}
