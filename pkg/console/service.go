package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/imgbuild/imgbuild/pkg/emulator"
)

// service is a function with the generation of it that takes calls.
type service struct {
	Function
	ctx context.Context // ends with the console
	hub *hub

	making sync.Mutex // held by who makes a generation
	ending sync.WaitGroup

	mu      sync.Mutex
	current *generation
	closed  bool
}

// generation is what a function was between two changes of its files.
type generation struct {
	cancel context.CancelCauseFunc
	ready  chan struct{} // closed when the rest is set
	e      *emulator.Emulator
	stop   func() error
	err    error
	users  sync.WaitGroup
}

// errChanged ends the making of what is not wanted any more.
var errChanged = errors.New("the files have changed again")

func newService(ctx context.Context, f Function, h *hub) *service {
	return &service{Function: f, ctx: ctx, hub: h}
}

// use returns the emulator of the newest generation, which stays until release.
func (s *service) use(ctx context.Context) (e *emulator.Emulator, release func(), err error) {
	for {
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			return nil, nil, errClosed
		}
		if s.current == nil {
			s.begin(nil)
		}
		g := s.current
		g.users.Add(1)
		s.mu.Unlock()
		select {
		case <-g.ready:
		case <-ctx.Done():
			g.users.Done()
			return nil, nil, context.Cause(ctx)
		}
		if g.err == nil {
			return g.e, g.users.Done, nil
		}
		g.users.Done()
		s.mu.Lock()
		newest := s.current == g
		if newest {
			s.current = nil // the next call tries again
		}
		s.mu.Unlock()
		if newest {
			return nil, nil, g.err
		}
	}
}

// changed begins another generation, where there is one.
func (s *service) changed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != nil && !s.closed {
		s.hub.state(s.Name, stateChanged, "")
		s.begin(s.current)
	}
}

// begin has a generation made; the old one ends when its calls have. The caller
// holds the lock.
func (s *service) begin(old *generation) {
	ctx, cancel := context.WithCancelCause(s.ctx)
	g := &generation{cancel: cancel, ready: make(chan struct{})}
	s.current = g
	if old != nil {
		old.cancel(errChanged) // where it is still being made
	}
	s.ending.Go(func() {
		if old == nil {
			s.make(ctx, g)
			return
		}
		<-old.ready
		if old.err == nil && old.e.Alone() { // the new one needs its port
			s.leave(old, handOver)
			s.make(ctx, g)
			return
		}
		s.make(ctx, g)
		s.leave(old, 0)
	})
}

// handOver is how long calls may go on in a generation that stands in the way of
// the next.
const handOver = 2 * time.Second

// leave ends a generation when its calls have ended, the console does, or, unless
// it is 0, the limit has passed. Calls in flight fail then.
func (s *service) leave(g *generation, limit time.Duration) {
	free := make(chan struct{})
	go func() {
		g.users.Wait()
		close(free)
	}()
	var late <-chan time.Time
	if limit > 0 {
		timer := time.NewTimer(limit)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-free:
	case <-late:
	case <-s.ctx.Done():
	}
	s.finish(g)
}

func (s *service) make(ctx context.Context, g *generation) {
	defer close(g.ready)
	s.making.Lock()
	defer s.making.Unlock()
	if ctx.Err() != nil {
		g.err = context.Cause(ctx)
		return
	}
	begun := time.Now()
	s.hub.state(s.Name, stateStarting, "")
	g.e, g.stop, g.err = s.Start(ctx, s.hub.writer(s.Name))
	switch {
	case g.err == nil:
		s.hub.state(s.Name, stateReady, fmt.Sprintf("%d ms", time.Since(begun).Milliseconds()))
	case ctx.Err() == nil:
		s.hub.state(s.Name, stateFailed, g.err.Error())
	}
}

// finish ends a generation.
func (s *service) finish(g *generation) {
	g.cancel(errChanged)
	if g.err != nil {
		return
	}
	if err := g.stop(); err != nil {
		s.hub.state(s.Name, stateFailed, "ending it: "+err.Error())
	}
}

// close ends the function. Calls in flight fail.
func (s *service) close() error {
	s.mu.Lock()
	s.closed = true
	g := s.current
	s.current = nil
	s.mu.Unlock()
	if g != nil {
		<-g.ready
	}
	if g != nil && g.err == nil {
		if err := g.stop(); err != nil {
			return fmt.Errorf("ending %s: %w", s.Name, err)
		}
	}
	s.ending.Wait()
	return nil
}

// trigger serves a request to the function's HTTP trigger.
func (s *service) trigger(w http.ResponseWriter, r *http.Request) {
	if foreign(r) {
		forbid(w)
		return
	}
	e, release, err := s.use(r.Context())
	if err != nil {
		refuse(w, err)
		return
	}
	defer release()
	e.ServeHTTP(w, r)
}

// refuse answers for a function that could not be called: as the platform, where
// it would have refused, too.
func refuse(w http.ResponseWriter, err error) {
	if e, ok := errors.AsType[*emulator.Error](err); ok {
		e.Write(w)
		return
	}
	http.Error(w, err.Error(), http.StatusServiceUnavailable)
}
