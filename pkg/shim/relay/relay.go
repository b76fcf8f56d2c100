package relay

import (
	"context"
	"net"
	"time"

	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// Options say where the program is.
type Options struct {
	// Dial connects to the program. It waits for a program that does not
	// listen yet, until ctx ends or it gives up.
	Dial func(ctx context.Context) (net.Conn, error)
	// Generation is another number after each change of the program's
	// address: connections of an older one are not used again. nil: there is
	// one address only.
	Generation func() int
	// Explain says why the program gave no answer, for an error of Dial or of
	// a connection. nil, or a result of nil, is a message with the error.
	Explain func(err error) *message.Failure
}

// Relay is a message.Backend that sends requests to a program which serves
// HTTP/1.1.
type Relay struct {
	options Options
	pool    pool

	expectPatience time.Duration
}

// New makes a Relay. It connects when it has a request.
func New(o Options) *Relay {
	if o.Generation == nil {
		o.Generation = func() int { return 0 }
	}
	if o.Explain == nil {
		o.Explain = func(error) *message.Failure { return nil }
	}
	r := &Relay{options: o, expectPatience: expectPatience}
	r.pool = pool{open: r.open, generation: o.Generation, unanswered: map[*conn]struct{}{}}
	return r
}

func (r *Relay) open(ctx context.Context) (*conn, error) {
	c, err := r.options.Dial(ctx)
	if err != nil {
		return nil, err
	}
	return newConn(c), nil
}

// Do is message.Backend's. Also when something else than the client calls what
// was given to OnGone, Do soon returns message.ErrAborted, without having
// answered if no answer was begun.
func (r *Relay) Do(x message.Exchange) error {
	e := &exchange{relay: r, x: x, request: x.Request()}
	e.framing = framingOf(e.request)
	x.OnGone(e.leave)
	err := e.run()
	x.OnGone(nil)
	if e.sender != nil {
		e.sender.stayAside()
		e.mu.Lock()
		e.over = true
		e.mu.Unlock()
	}
	if e.small != nil {
		buffers.put(e.small[:bufferSize])
	}
	if err != nil && e.begun {
		x.Abort()
	}
	return err
}

// Close closes the connections that are not in use and fails later requests.
func (r *Relay) Close() { r.pool.close() }
