package program

import (
	"os"
	"syscall"
)

// reap is the one place that waits for processes: for the program and for
// every orphan that Linux gives to PID 1 (or to a subreaper). It returns when
// the program has ended and closes p.done; orphans that live longer end with
// the container.
func (p *Process) reap() {
	defer close(p.done)
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case err == syscall.EINTR:
		case err != nil:
			p.err = os.NewSyscallError("wait4", err)
			return
		case pid == p.pid && (status.Exited() || status.Signaled()):
			p.exit = status
			go reapRest()
			return
		}
	}
}

// reapRest keeps reaping while the last requests drain.
func reapRest() {
	for {
		if _, err := syscall.Wait4(-1, nil, 0, nil); err != nil && err != syscall.EINTR {
			return
		}
	}
}

// prSetChildSubreaper is PR_SET_CHILD_SUBREAPER of linux/prctl.h.
const prSetChildSubreaper = 36

// AdoptOrphans makes orphans come to this process where it is not PID 1, as
// under `docker run --init` or in a shared PID namespace.
func AdoptOrphans() {
	if os.Getpid() != 1 {
		// Where the kernel refuses, orphans go to the real PID 1, which is
		// no worse than without a shim.
		_, _, _ = syscall.Syscall(syscall.SYS_PRCTL, prSetChildSubreaper, 1, 0)
	}
}
