package discovery

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/imgbuild/imgbuild/pkg/shim/clock"
	"github.com/imgbuild/imgbuild/pkg/shim/message"
	"github.com/imgbuild/imgbuild/pkg/shim/program"
)

// reconnect is how long a request waits for a program that has listened once
// and now refuses, as a server does that restarts its workers.
const reconnect = 10 * time.Second

// Errors of Dial. None of a request's bytes has reached the program.
var (
	ErrNotListening = errors.New("the program listens on no port")
	ErrEnded        = errors.New("the program has ended")
)

// Target is where the program listens, as far as is known. It is for any
// number of goroutines.
type Target struct {
	ready   time.Duration
	program *program.Process
	// Look asks the watcher to look again at where the program listens.
	Look chan struct{}
	// late is closed when the program's time to listen is over.
	late    <-chan struct{}
	inTime  func()
	reached atomic.Bool // a connection was made once
	version atomic.Int64

	mu      sync.Mutex
	addrs   []string
	changed chan struct{}
}

// NewTarget is for the program p, which may take the time ready from now on to
// listen.
func NewTarget(p *program.Process, ready time.Duration) *Target {
	t := &Target{ready: ready, program: p, Look: make(chan struct{}, 1), changed: make(chan struct{})}
	t.late, t.inTime = clock.After(ready)
	return t
}

// Set replaces the addresses, each HOST:PORT or the path of a Unix socket.
func (t *Target) Set(addrs ...string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if slices.Equal(t.addrs, addrs) {
		return
	}
	t.addrs = addrs
	t.version.Add(1)
	close(t.changed)
	t.changed = make(chan struct{})
}

// Generation is another number after each change of the addresses, so that
// connections that lead elsewhere are not used again.
func (t *Target) Generation() int { return int(t.version.Load()) }

func (t *Target) get() (addrs []string, changed chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.addrs, t.changed
}

// Dial connects to the program and waits for it to listen where it does not.
// Errors are ErrNotListening, ErrEnded or that of ctx.
func (t *Target) Dial(ctx context.Context) (net.Conn, error) {
	late := t.late
	var waited clock.Watch
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		addrs, changed := t.get()
		for _, a := range addrs {
			if c, err := DialOnce(ctx, a); err == nil {
				if !t.reached.Swap(true) {
					t.inTime()
				}
				return c, nil
			}
		}
		if t.reached.Load() {
			if late = nil; waited.Elapsed() >= min(reconnect, t.ready) {
				return nil, ErrNotListening
			}
		}
		if err := t.wait(ctx, late, changed, pause); err != nil {
			return nil, err
		}
	}
}

// wait waits for what may be worth another try.
func (t *Target) wait(ctx context.Context, late <-chan struct{}, changed chan struct{}, pause time.Duration) error {
	select {
	case t.Look <- struct{}{}:
	default:
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.program.Done():
		return ErrEnded
	case <-late:
		return ErrNotListening
	case <-changed:
	case <-timer.C:
	}
	return nil
}

// Explain says why there is no answer, for an error of Dial or of a connection;
// nil where that is not known.
func (t *Target) Explain(err error) *message.Failure {
	switch {
	case errors.Is(err, ErrNotListening):
		return &message.Failure{Status: 502, Type: message.ProgramNotListening,
			Message: "the program does not listen on any port; it must serve HTTP on the port in PORT, or on any other"}
	case errors.Is(err, ErrEnded), t.program.Ends(100 * time.Millisecond):
		// A connection breaks a moment before its process is waited for.
		return t.program.Failure()
	}
	return nil
}
