package runtimeapi

import "sync"

// budget shares a number of bytes. Who asks for more than is free waits, the
// first first. Nobody may ask again while holding some: two could wait for
// each other.
type budget struct {
	mu    sync.Mutex
	total int64
	free  int64
	queue []*claim
}

type claim struct {
	bytes int64
	ready chan struct{}
}

func newBudget(total int64) *budget { return &budget{total: total, free: total} }

// take waits for n bytes and returns how many it took, which must be given
// back: more than the total counts as the total, so that anybody can be served
// alone. It returns false where stop was closed first.
func (b *budget) take(n int64, stop <-chan struct{}) (int64, bool) {
	n = min(n, b.total)
	b.mu.Lock()
	if len(b.queue) == 0 && b.free >= n {
		b.free -= n
		b.mu.Unlock()
		return n, true
	}
	c := &claim{n, make(chan struct{})}
	b.queue = append(b.queue, c)
	b.mu.Unlock()
	select {
	case <-c.ready:
		return n, true
	case <-stop:
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.queue {
		if b.queue[i] == c {
			b.queue = append(b.queue[:i], b.queue[i+1:]...)
			b.serve() // those behind a big claim may fit
			return 0, false
		}
	}
	b.free += n // it was granted at the same moment
	b.serve()
	return 0, false
}

// give gives n bytes back.
func (b *budget) give(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.free += n
	b.serve()
}

func (b *budget) serve() {
	for len(b.queue) > 0 && b.queue[0].bytes <= b.free {
		b.free -= b.queue[0].bytes
		close(b.queue[0].ready)
		b.queue = b.queue[1:]
	}
}
