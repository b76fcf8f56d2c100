package front

import (
	"sync"
	"time"
)

// preStopPatience is how long /pre-stop waits for the calls in flight before
// it reaches the program: within the 30 s that the platform gives the hook.
const preStopPatience = 20 * time.Second

// inflight counts calls that are not hooks, so that /pre-stop can wait for
// them: a program closes its files there.
type inflight struct {
	mu   sync.Mutex
	n    int
	idle chan struct{} // closed when n falls to 0; nil while nobody waits
}

func (f *inflight) add() {
	f.mu.Lock()
	f.n++
	f.mu.Unlock()
}

func (f *inflight) done() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.n--; f.n == 0 && f.idle != nil {
		close(f.idle)
		f.idle = nil
	}
}

// waitIdle returns when no call is in flight, and after d at the latest.
func (f *inflight) waitIdle(d time.Duration) {
	f.mu.Lock()
	if f.n == 0 {
		f.mu.Unlock()
		return
	}
	if f.idle == nil {
		f.idle = make(chan struct{})
	}
	idle := f.idle
	f.mu.Unlock()
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-idle:
	case <-t.C:
	}
}
