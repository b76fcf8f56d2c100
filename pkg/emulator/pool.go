package emulator

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"
)

// pool has the instances that take calls.
type pool struct {
	mu        sync.Mutex
	instances []*instance // the one that was used last comes last
	starting  int
	// boarding are the calls that wait for an instance which is starting, with
	// those that start it.
	boarding int
	changed  chan struct{} // closed, and made anew, when there may be a place
	closed   bool
	// leaving get no more calls and still have some; ending are those that had
	// their last one.
	leaving []*instance
	ending  int
	work    sync.WaitGroup // the starts and ends under way

	// shared: the instances have this machine's ports. Until one has answered
	// it is not known whether a port is fixed, written into the program; then
	// there can be one instance at a time.
	shared, known, fixed bool
}

func (p *pool) init() { p.changed = make(chan struct{}) }

// tell wakes whoever waits for a place. The pool is locked.
func (p *pool) tell() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// close lets nobody in any more and returns what runs.
func (p *pool) close() []*instance {
	p.mu.Lock()
	p.closed = true
	p.tell()
	all := slices.Concat(p.instances, p.leaving)
	p.instances, p.leaving = nil, nil
	p.mu.Unlock()
	p.work.Wait()
	return all
}

// alone says whether there can be one instance at a time, or more are not known
// to be possible. The pool is locked.
func (p *pool) alone() bool { return p.shared && (p.fixed || !p.known) }

// used is how many of the places for instances are taken. The pool is locked.
func (p *pool) used() int {
	n := len(p.instances) + len(p.leaving) + p.starting
	if p.alone() {
		n += p.ending // it has its port until the end
	}
	return n
}

// Alone says whether no instance of another Emulator can be started beside those
// of this one, as far as is known.
func (e *Emulator) Alone() bool {
	e.pool.mu.Lock()
	defer e.pool.mu.Unlock()
	return e.pool.alone()
}

// learn finds out from an instance whether there can be others. One that has not
// answered yet may only be late in listening where it was told to. It returns
// whether that is known now.
func (e *Emulator) learn(i *instance, answered bool) bool {
	p := &e.pool
	p.mu.Lock()
	done := !p.shared || p.known
	p.mu.Unlock()
	if done {
		return true
	}
	r, ok := i.run.(interface{ FixedPort() bool })
	fixed := ok && r.FixedPort()
	if fixed && !answered {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.known, p.fixed = true, fixed
	p.tell()
	return true
}

// lone is the instance that has to answer before there can be others, nil where
// there is none to wait for.
func (p *pool) lone() *instance {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.shared || p.known || len(p.instances) == 0 {
		return nil
	}
	return p.instances[0]
}

// take finds a place for a call: in the instance that was used last and has
// one, else in a new one, up to their limit. cold says that it was started for
// this call. The instance is awake. Release it after the call.
func (e *Emulator) take(ctx context.Context) (i *instance, cold bool, err error) {
	limit := time.Now().Add(e.patience())
	for {
		i, turn, changed, err := e.place()
		var look <-chan time.Time
		switch {
		case err != nil:
			return nil, false, err
		case i != nil:
			if err := i.wake(ctx); err != nil {
				e.retire(i)
				e.release(i)
				if ctx.Err() != nil {
					return nil, false, context.Cause(ctx)
				}
				continue
			}
			return i, false, nil
		case turn == startOne:
			i, err := e.startFirst(ctx)
			return i, true, err
		case turn == waitForIt:
			if i := e.pool.lone(); i != nil {
				if e.learn(i, false) {
					continue
				}
				look = time.After(lookAgain)
			}
		}
		if err := e.await(ctx, turn, changed, look, limit); err != nil {
			return nil, false, err
		}
	}
}

// turn is what a call does that has no place yet.
type turn int

const (
	seated    turn = iota
	startOne       // start an instance; the call is counted as starting and boarding
	boardOne       // wait for an instance that starts; the call is counted as boarding
	waitForIt      // wait until another call has ended
)

// place is a place now, or what to do for one.
func (e *Emulator) place() (i *instance, t turn, changed <-chan struct{}, err error) {
	p, most := &e.pool, e.function.Concurrency
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, seated, nil, errClosed
	}
	for n := len(p.instances) - 1; n >= 0; n-- {
		if i := p.instances[n]; i.calls < most {
			i.calls++
			p.instances = append(slices.Delete(p.instances, n, n+1), i)
			return i, seated, nil, nil
		}
	}
	if p.boarding < p.starting*most {
		p.boarding++
		return nil, boardOne, p.changed, nil
	}
	limit := e.options.Instances
	if p.alone() {
		limit = 1
	}
	if p.used() < limit {
		p.starting++
		p.boarding++
		p.work.Add(1)
		return nil, startOne, nil, nil
	}
	return nil, waitForIt, p.changed, nil
}

// patience is how long a call waits for others to end.
func (e *Emulator) patience() time.Duration {
	if e.Alone() { // nobody has chosen that there is one
		return e.options.Wait + e.options.Ready + e.function.Timeout
	}
	return e.options.Wait
}

// lookAgain is how long a call waits until it looks once more whether the lone
// instance listens where it was told to.
const lookAgain = 20 * time.Millisecond

// await waits until there may be a place, or something to look at.
func (e *Emulator) await(ctx context.Context, t turn, changed <-chan struct{}, look <-chan time.Time, limit time.Time) error {
	var late <-chan time.Time
	if t == boardOne {
		defer func() {
			e.pool.mu.Lock()
			e.pool.boarding--
			e.pool.mu.Unlock()
		}()
	} else {
		timer := time.NewTimer(time.Until(limit))
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-changed:
		return nil
	case <-look:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-late:
		return e.exhausted()
	}
}

func (e *Emulator) exhausted() *Error {
	do := "raise the limit of instances or instanceConcurrency"
	if e.Alone() {
		do = "its program has a port written into it, so there is one instance here: have it listen on the port in the variable FC_SERVER_PORT, or raise instanceConcurrency"
	}
	return &Error{Status: http.StatusTooManyRequests, Code: ResourceExhausted, Message: "all instances that the function may have are busy; " + do}
}

// startFirst starts an instance for a call. place has given the right.
func (e *Emulator) startFirst(ctx context.Context) (*instance, error) {
	p := &e.pool
	defer p.work.Done()
	i, err := e.start(ctx)
	p.mu.Lock()
	p.starting--
	p.boarding--
	if err == nil && !p.closed {
		i.calls = 1
		p.instances = append(p.instances, i)
	}
	closed := p.closed
	p.tell()
	p.mu.Unlock()
	if err == nil && closed {
		_ = i.kill() // nobody would stop it
		return nil, errClosed
	}
	return i, err
}

// release gives a call's place back.
func (e *Emulator) release(i *instance) {
	p := &e.pool
	p.mu.Lock()
	i.calls--
	p.tell()
	idle := i.calls == 0
	if idle && p.dismiss(i) {
		idle = false
	}
	p.mu.Unlock()
	if idle {
		i.rest()
	}
}

// retire takes an instance out: it gets no more calls, and is ended when its
// last one has.
func (e *Emulator) retire(i *instance) {
	p := &e.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := slices.Index(p.instances, i); n >= 0 {
		p.instances = slices.Delete(p.instances, n, n+1)
		p.leaving = append(p.leaving, i)
	}
	p.tell()
	if i.calls == 0 {
		p.dismiss(i)
	}
}

// dismiss ends an instance that is leaving. The pool is locked.
func (p *pool) dismiss(i *instance) bool {
	n := slices.Index(p.leaving, i)
	if n < 0 {
		return false
	}
	p.leaving = slices.Delete(p.leaving, n, n+1)
	p.ending++
	p.work.Go(func() {
		_ = i.kill()
		p.mu.Lock()
		p.ending--
		p.tell() // there is room for another one
		p.mu.Unlock()
	})
	return true
}

// busy is how many calls an instance has.
func (e *Emulator) busy(i *instance) int {
	e.pool.mu.Lock()
	defer e.pool.mu.Unlock()
	return i.calls
}
