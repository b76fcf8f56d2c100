package program

import (
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

// children are the processes that this one has started and not yet waited
// for. Linux knows one set of children a process, so there is one of these;
// whoever else waited for a child would take its status away.
var children struct {
	// forking is held for reading from before a fork until the new process
	// is in byPID, so that the reaper, which takes it for writing before it
	// calls a process unknown, cannot miss one that ends at once.
	forking sync.RWMutex

	mu    sync.Mutex
	byPID map[int]*Process

	reaping sync.Once
}

// reap waits for all children at each SIGCHLD: for those that Start started,
// and for the orphans that Linux gives to PID 1 or to a subreaper.
func reap() {
	died := make(chan os.Signal, 1) // one is enough: all of the dead are collected at each
	signal.Notify(died, syscall.SIGCHLD)
	go newOOMKill() // from now on those that come count
	go func() {
		for range died {
			for pid := firstDead(); pid != 0; pid = firstDead() {
				collect(pid)
			}
		}
	}()
}

// collect waits for a child that has ended and tells who started it.
func collect(pid int) {
	p := started(pid)
	if p == nil {
		children.forking.Lock()
		p = started(pid)
		children.forking.Unlock()
	}
	if p == nil {
		_, _ = syscall.Wait4(pid, nil, syscall.WNOHANG, nil) // an orphan
		return
	}
	children.mu.Lock()
	delete(children.byPID, pid)
	children.mu.Unlock()
	// Until it is waited for its number is its own. A signal is sent under
	// the same lock, so that none reaches a stranger of the same number.
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = syscall.Wait4(pid, &p.exit, syscall.WNOHANG, nil)
	p.ran = time.Since(p.began)
	if p.exit.Signaled() && p.exit.Signal() == syscall.SIGKILL && !p.killed {
		p.outOfMemory = newOOMKill()
	}
	close(p.done)
}

func started(pid int) *Process {
	children.mu.Lock()
	defer children.mu.Unlock()
	return children.byPID[pid]
}

// Of linux/wait.h.
const (
	pAll    = 0
	wNoHang = 0x1
	wExited = 0x4
	wNoWait = 0x1000000
)

// firstDead is a child that has ended and that was not waited for, 0 where
// there is none. It stays as it is.
func firstDead() int {
	// siginfo_t is 128 bytes on every Linux. On 64 bit si_pid follows three
	// ints and their padding (asm-generic/siginfo.h).
	var info struct {
		signo, errno, code, _ int32
		pid                   int32
		_                     [108]byte
	}
	for {
		_, _, errno := syscall.Syscall6(syscall.SYS_WAITID, pAll, 0, uintptr(unsafe.Pointer(&info)), wNoHang|wExited|wNoWait, 0, 0)
		switch errno {
		case 0:
			return int(info.pid)
		case syscall.EINTR:
		default: // ECHILD: there are no children
			return 0
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
