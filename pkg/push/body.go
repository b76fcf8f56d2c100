package push

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// sourceError is a failure of what is being sent, not of the way.
type sourceError struct{ err error }

func (e *sourceError) Error() string { return fmt.Sprintf("reading what is to be sent: %v", e.err) }
func (e *sourceError) Unwrap() error { return e.err }

// source keeps the first failure of a request's body, which the HTTP client
// may still be reading when the answer is there.
type source struct {
	mu  sync.Mutex
	bad error
}

func (s *source) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bad == nil {
		s.bad = &sourceError{err}
	}
}

func (s *source) err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bad
}

// body reports what is read of a request's body.
type body struct {
	rc   io.ReadCloser
	src  *source
	read func(n int)
	once sync.Once
	err  error
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.rc.Read(p)
	if n > 0 {
		b.read(n)
	}
	if err != nil && err != io.EOF {
		b.src.fail(err)
	}
	return n, err
}

func (b *body) Close() error {
	b.once.Do(func() { b.err = b.rc.Close() })
	return b.err
}

// kicking tells the watchdog of what is read of an answer.
type kicking struct {
	r   io.Reader
	dog *watchdog
}

func (k *kicking) Read(p []byte) (int, error) {
	n, err := k.r.Read(p)
	if n > 0 {
		k.dog.kick()
	}
	return n, err
}

// stalledError ends a request that made no progress.
type stalledError struct {
	where    string
	patience time.Duration
}

func (e *stalledError) Error() string {
	return fmt.Sprintf("%s neither took nor sent a byte for %s", e.where, e.patience)
}

// watchdog calls bark after a time without a kick: a deadline by progress.
type watchdog struct {
	patience time.Duration
	timer    *time.Timer
}

func newWatchdog(patience time.Duration, bark func()) *watchdog {
	return &watchdog{patience: patience, timer: time.AfterFunc(patience, bark)}
}

func (d *watchdog) kick() {
	// Stop says false once it barked; then there is nothing to save.
	if d.timer.Stop() {
		d.timer.Reset(d.patience)
	}
}

func (d *watchdog) stop() { d.timer.Stop() }
