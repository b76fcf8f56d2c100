package journal

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxWaiting is how many bytes of the shim's own lines are kept while
	// nobody reads the output. Beyond it they are dropped and counted.
	maxWaiting = 1 << 20
	// maxSpare is how much memory is kept for the next lines.
	maxSpare = 64 << 10
)

// queue is the shim's own lines that wait to be put between the program's.
type queue struct {
	any atomic.Bool

	mu      sync.Mutex
	lines   []byte
	spare   []byte // used again
	since   time.Time
	dropped int
}

// add appends a line made of three parts, which ends in a newline, and returns
// how many bytes wait.
func add[T string | []byte](q *queue, text string, id T, end string) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.lines)+len(text)+len(id)+len(end) > maxWaiting {
		q.dropped++
		return len(q.lines)
	}
	if len(q.lines) == 0 {
		q.since = time.Now()
	}
	q.lines = append(q.lines, text...)
	q.lines = append(q.lines, id...)
	q.lines = append(q.lines, end...)
	q.any.Store(true)
	return len(q.lines)
}

// drop counts a line that is not written.
func (q *queue) drop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.dropped++
}

// take returns the lines, and how many were dropped after them. done gets the
// lines back.
func (q *queue) take() (w []byte, dropped int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	w, dropped = q.lines, q.dropped
	q.lines, q.spare, q.dropped = q.spare[:0], nil, 0
	q.any.Store(false)
	return w, dropped
}

// putBack returns the end of what take gave.
func (q *queue) putBack(w []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.lines = append(w, q.lines...)
	q.any.Store(true)
}

func (q *queue) done(w []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.spare == nil && cap(w) <= maxSpare {
		q.spare = w[:0]
	}
}

// waited is how long the first line has been here.
func (q *queue) waited() time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	return time.Since(q.since)
}
