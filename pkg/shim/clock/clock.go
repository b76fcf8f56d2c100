// Package clock measures the time in which this process really ran. Function
// Compute freezes an instance between requests and thaws it later; a container
// runtime's pause and SIGSTOP do the same. Linux's monotonic clock goes on
// meanwhile, so that a timer of package time fires at the thaw, although
// neither the shim nor the program had any of that time. Wall-clock jumps
// move neither.
package clock

import (
	"sync"
	"time"
)

// step is how often a timer looks whether time went on. A freeze counts as
// two steps at most.
const step = 100 * time.Millisecond

// After returns a channel that is closed when this process has run for d, and
// a function that releases what it holds before that.
func After(d time.Duration) (done <-chan struct{}, stop func()) {
	fired := make(chan struct{})
	return fired, AfterFunc(d, func() { close(fired) })
}

// AfterFunc has f called once, in a goroutine of its own, when this process
// has run for d. After stop f is not called any more, but it may be running.
func AfterFunc(d time.Duration, f func()) (stop func()) {
	t := &timer{left: d, f: f}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.watch.Elapsed()
	t.next = time.AfterFunc(min(d, step), t.tick)
	return t.stop
}

// timer is what AfterFunc waits with, in steps.
type timer struct {
	left time.Duration // when watch began
	f    func()

	mu    sync.Mutex
	watch Watch
	next  *time.Timer
	over  bool
}

func (t *timer) tick() {
	t.mu.Lock()
	left := t.left - t.watch.Elapsed()
	switch {
	case t.over:
	case left > 0:
		t.next.Reset(min(left, step))
	default:
		t.over = true
		defer t.f()
	}
	t.mu.Unlock()
}

func (t *timer) stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.over = true
	t.next.Stop()
}

// Watch is a stopwatch of running time. It is for one goroutine, which must
// call Elapsed at least every 100 ms: more than twice that between two calls
// is taken for a freeze. The zero value starts at the first call.
type Watch struct {
	last    time.Time
	elapsed time.Duration
}

// Elapsed is the running time since the first call.
func (w *Watch) Elapsed() time.Duration {
	now := time.Now()
	if !w.last.IsZero() {
		w.elapsed += min(now.Sub(w.last), 2*step)
	}
	w.last = now
	return w.elapsed
}
