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

// step is how often an After looks whether time went on. A freeze counts as
// two steps at most.
const step = 100 * time.Millisecond

// After returns a channel that is closed when this process has run for d, and
// a function that releases what it holds before that.
func After(d time.Duration) (done <-chan struct{}, stop func()) {
	fired, stopped := make(chan struct{}), make(chan struct{})
	var w Watch
	w.Elapsed()
	go func() {
		for left := d; left > 0; left = d - w.Elapsed() {
			t := time.NewTimer(min(left, step))
			select {
			case <-t.C:
			case <-stopped:
				t.Stop()
				return
			}
		}
		close(fired)
	}()
	return fired, sync.OnceFunc(func() { close(stopped) })
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
