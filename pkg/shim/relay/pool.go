package relay

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

const (
	// maxIdle is how long a connection is kept for reuse: less than the 5 s
	// after which Node.js closes it.
	maxIdle = 4 * time.Second
	// maxIdleUnsafe bounds the idle time before a request that must not be
	// sent twice, whatever the program announced.
	maxIdleUnsafe = 2 * time.Second
	// starving is how long a new connection may wait for its first byte
	// before idle ones are closed in its favour.
	starving = 100 * time.Millisecond
	// helped is how soon it gets its byte if that was what it waited for.
	helped = 20 * time.Millisecond
)

var errClosed = errors.New("the relay is closed")

// pool keeps the connections to the program that are idle, the one used last
// on top. There are never more than there were requests at a time.
type pool struct {
	open       func(context.Context) (*conn, error)
	generation func() int

	mu     sync.Mutex
	closed bool
	idle   []*conn
	active int // connections in use
	peak   int // most that were in use at a time, since the pool was empty
	// unanswered connections are new and have not brought a byte yet. A
	// server that answers one connection at a time, until it is closed, does
	// not even see them while it waits on an idle one.
	unanswered map[*conn]struct{}
	// freed is when idle ones were closed for that, and single that it helped:
	// from then on they are closed before a new one is made.
	freed   time.Time
	single  bool
	tending bool // the timer of tend runs
}

// dial makes a new connection.
func (p *pool) dial(ctx context.Context) (*conn, error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, errClosed
	}
	p.begin()
	if p.single {
		p.closeIdle()
	}
	p.mu.Unlock()
	generation := p.generation() // before the address is looked up
	c, err := p.open(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		p.active--
		return nil, err
	}
	c.generation, c.idleSince = generation, time.Now()
	p.unanswered[c] = struct{}{}
	p.tend()
	return c, nil
}

// closeIdle closes all idle connections. The lock is held.
func (p *pool) closeIdle() {
	for _, c := range p.idle {
		c.Close()
	}
	clear(p.idle)
	p.idle = p.idle[:0]
}

func (p *pool) begin() {
	p.active++
	p.peak = max(p.peak, p.active)
}

// reuse pops connections until one is alive. Each has to be looked at, however
// short it was idle: the program may have closed it, or written more than its
// answer, which would be taken for the answer to this request. http1's Send
// does it in passing, for requests without a body.
func (p *pool) reuse(unsafe bool) *conn {
	generation := p.generation()
	for {
		c := p.pop(generation, unsafe)
		if c == nil {
			return nil
		}
		if !unsafe || c.Quiet() {
			return c
		}
		p.drop(c)
	}
}

// pop takes the connection that was used last, if it is fit for such a
// request.
func (p *pool) pop(generation int, unsafe bool) *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	for n := len(p.idle); n > 0; n = len(p.idle) {
		c := p.idle[n-1]
		idle := time.Since(c.idleSince)
		if c.generation == generation && idle < maxIdle {
			if unsafe && idle >= min(c.announced/2, maxIdleUnsafe) {
				return nil
			}
			p.idle = p.idle[:n-1]
			p.begin()
			return c
		}
		p.closeIdle() // those below are older still
	}
	return nil
}

// put takes c back for another request.
func (p *pool) put(c *conn) {
	generation := p.generation()
	c.Idle()
	c.idleSince = time.Now()
	if surplus := p.keep(c, generation); surplus != nil {
		surplus.Close()
	}
}

// keep puts c on top, and returns a connection that there is no place for.
func (p *pool) keep(c *conn, generation int) (surplus *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.active--
	if p.closed || c.generation != generation {
		return c
	}
	if p.active+len(p.idle) >= p.peak {
		if len(p.idle) == 0 {
			return c
		}
		surplus = p.idle[0]
		p.idle = slices.Delete(p.idle, 0, 1)
	}
	p.idle = append(p.idle, c)
	p.tend()
	return surplus
}

// drop closes c, which was taken.
func (p *pool) drop(c *conn) {
	c.Close()
	p.leave(c)
}

// leave forgets c, which was taken and is closed or used for something else.
func (p *pool) leave(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.active--
	delete(p.unanswered, c)
}

// answered notes that c, which was new, brought its first byte.
func (p *pool) answered(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.unanswered, c)
	switch {
	case len(p.idle) > 0:
		p.single = false // it was answered beside them
	case c.idleSince.Before(p.freed) && time.Since(p.freed) < helped:
		p.single = true
	}
}

// tend has a timer look after idle connections as long as there are some. The
// lock is held.
func (p *pool) tend() {
	if p.tending || p.closed || len(p.idle) == 0 {
		return
	}
	p.tending = true
	time.AfterFunc(starving, p.sweep)
}

// sweep closes connections that were idle too long, and all of them where a
// new one starves.
func (p *pool) sweep() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tending = false
	keep := slices.IndexFunc(p.idle, func(c *conn) bool { return time.Since(c.idleSince) < maxIdle })
	for c := range p.unanswered {
		if len(p.idle) > 0 && time.Since(c.idleSince) >= starving {
			keep, p.freed = -1, time.Now()
			break
		}
	}
	if keep < 0 {
		keep = len(p.idle)
	}
	for _, c := range p.idle[:keep] {
		c.Close()
	}
	p.idle = slices.Delete(p.idle, 0, keep)
	if len(p.idle) == 0 {
		p.peak = p.active
	}
	p.tend()
}

// close closes idle connections and has no more opened.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.closeIdle()
}
