package http2

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// Either is a message.Backend for a program that speaks HTTP/1.1, HTTP/2 with
// prior knowledge, or both. It calls by HTTP/1.1, but by HTTP/2 where that is
// what a request wants, and for all requests once the program, which has
// answered none by HTTP/1.1, has been seen to speak it.
type Either struct {
	HTTP1 message.Backend
	HTTP2 *Client

	mu         sync.Mutex
	known      versions
	generation int // of the program's address that known is about
}

// versions is what is known of a program.
type versions int

const (
	unknown   versions = iota
	http1              // it may speak HTTP/2 as well
	notHTTP2           // HTTP/1.1 only
	onlyHTTP2          // and not HTTP/1.1
)

// probeTime is how long a program is asked for HTTP/2 that has not answered
// the first request by HTTP/1.1. A variable for tests, whose programs may take
// longer on a busy machine.
var probeTime = time.Second

// Do is message.Backend's.
func (b *Either) Do(x message.Exchange) error {
	r := x.Request()
	known := b.get()
	if known == onlyHTTP2 || known != notHTTP2 && wanted(r) {
		err := b.HTTP2.Do(x)
		if err != errNotHTTP2 {
			return err
		}
		b.set(notHTTP2)
	}
	// It may belong to the exchange, and may not be looked at after that.
	repeatable := r.Body == nil && (r.Method == "GET" || r.Method == "HEAD" || r.Method == "OPTIONS")
	err := b.HTTP1.Do(x)
	if err == nil && known == unknown {
		b.setFirst(http1)
	}
	var f *message.Failure
	if known != unknown || !errors.As(err, &f) || f.Type != message.ProgramBadAnswer && f.Type != message.ProgramClosedConnection {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), probeTime)
	defer cancel()
	switch probe := b.HTTP2.Probe(ctx); {
	case errors.Is(probe, errNotHTTP2):
		b.set(notHTTP2)
	case probe == nil:
		b.set(onlyHTTP2)
		if repeatable {
			return b.HTTP2.Do(x)
		}
	}
	return err
}

// Close closes the connections by HTTP/2.
func (b *Either) Close() { b.HTTP2.Close() }

func (b *Either) get() versions {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.current()
}

// current is what is known of the program's address of now. The lock is held.
func (b *Either) current() versions {
	if g := b.HTTP2.generation(); g != b.generation {
		b.generation, b.known = g, unknown
	}
	return b.known
}

func (b *Either) set(v versions) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.known = v
}

// setFirst is set where nothing is known yet: another request may have found
// out more meanwhile.
func (b *Either) setFirst(v versions) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.current() == unknown {
		b.known = v
	}
}
