package emulator

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"os"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// processes are those of an instance, on this machine.
type processes struct {
	list    func() ([]int, error)
	stopped []int

	mu    sync.Mutex
	known []int // of memory, which is asked after every call
	when  time.Time
}

// rounds are how often freeze looks for processes that were started meanwhile.
const rounds = 50

// freeze stops all with SIGSTOP, which no program can ignore, the parents before
// their children. Who is stopped starts nobody any more.
func (p *processes) freeze(ctx context.Context) error {
	for range rounds {
		all, err := p.list()
		if err != nil {
			return err
		}
		before := len(p.stopped)
		for _, pid := range all {
			if slices.Contains(p.stopped, pid) {
				continue
			}
			switch err := syscall.Kill(pid, syscall.SIGSTOP); {
			case errors.Is(err, syscall.ESRCH): // it has just ended
			case err != nil:
				return os.NewSyscallError("kill", err)
			default:
				p.stopped = append(p.stopped, pid)
			}
		}
		if len(p.stopped) == before {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return errors.New("it starts processes faster than they can be stopped")
}

// thaw lets them go on, the children before their parents.
func (p *processes) thaw() (failed error) {
	for _, pid := range slices.Backward(p.stopped) {
		if err := syscall.Kill(pid, syscall.SIGCONT); err != nil && !errors.Is(err, syscall.ESRCH) {
			failed = os.NewSyscallError("kill", err)
		}
	}
	p.stopped = p.stopped[:0]
	return failed
}

// knownFor is how long memory takes the processes for the same: to list them is
// to read all of /proc.
const knownFor = time.Second

// memory is the sum of what each process has had resident at most, in bytes.
func (p *processes) memory() (sum int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.when) > knownFor {
		all, err := p.list()
		if err != nil {
			return 0
		}
		p.known, p.when = all, time.Now()
	}
	for _, pid := range p.known {
		sum += peak(pid)
	}
	return sum
}

// peak is VmHWM of /proc/PID/status, which is in kB (proc_pid_status(5)).
func peak(pid int) int64 {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0
	}
	lines := bufio.NewScanner(bytes.NewReader(b))
	for lines.Scan() {
		if value, ok := bytes.CutPrefix(lines.Bytes(), []byte("VmHWM:")); ok {
			f := bytes.Fields(value)
			if len(f) == 0 {
				return 0
			}
			n, _ := strconv.ParseInt(string(f[0]), 10, 64)
			return n << 10
		}
	}
	return 0
}
