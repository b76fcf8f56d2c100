package push

import (
	"sync"
	"time"
)

// pace spreads requests to a host out in time. It begins without a limit,
// learns one from the host's 429s, and forgets it little by little while the
// host takes what it gets.
type pace struct {
	mu       sync.Mutex
	interval time.Duration // between the starts of two requests, 0: none
	next     time.Time     // when the next request may start

	last time.Time     // when the last request wanted to start
	gap  time.Duration // mean time between two, of about the last 16
}

const (
	// quickest is the shortest interval that a 429 leads to, slowest the
	// longest; a host that wants less than that says so by Retry-After.
	quickest, slowest = 5 * time.Millisecond, 2 * time.Second
	// forgotten is the interval below which there is no limit any more.
	forgotten = time.Millisecond
)

// start says how long a request that would like to start now has to wait.
func (p *pace) start(now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.last.IsZero() {
		p.gap += (now.Sub(p.last) - p.gap) / 16
	}
	p.last = now
	if p.interval == 0 {
		return 0
	}
	at := now
	if p.next.After(now) {
		at = p.next
	}
	p.next = at.Add(p.interval)
	return at.Sub(now)
}

// tooMany slows down to half of the rate that brought a 429.
func (p *pace) tooMany(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.interval > 0 && p.next.After(now.Add(p.interval)) {
		return // several requests were under way, and the first has said so
	}
	p.interval = min(max(2*p.gap, 2*p.interval, quickest), slowest)
	p.next = now.Add(p.interval)
}

// taken makes it a little faster again.
func (p *pace) taken() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.interval = p.interval * 19 / 20; p.interval < forgotten {
		p.interval = 0
	}
}
