package http2

import (
	"context"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// Options are limits; 0 is the usual one.
type Options struct {
	// HeaderLimit is the most that a request's fields may count for
	// (SETTINGS_MAX_HEADER_LIST_SIZE), 1 MiB. Larger ones are answered 431.
	HeaderLimit int
	// HeaderTimeout is how long the client may take for its preface and
	// SETTINGS, for a header block, and to acknowledge our SETTINGS: 60 s.
	HeaderTimeout time.Duration
	// Streams is the most concurrent streams of a connection, those included
	// that the client has reset and whose handlers still run: 250.
	Streams int
}

func (o Options) orUsual() Options {
	if o.HeaderLimit <= 0 {
		o.HeaderLimit = 1 << 20
	}
	if o.HeaderTimeout <= 0 {
		o.HeaderTimeout = time.Minute
	}
	if o.Streams <= 0 {
		o.Streams = 250
	}
	return o
}

// Server serves connections whose client speaks HTTP/2 with prior knowledge
// (RFC 9113, section 3.3). Its fields must not change once it is in use.
type Server struct {
	Handler message.Handler
	Options Options
	// Panicked, if set, is told of a panic in Handler, of which only the
	// stream dies. Without it the process does.
	Panicked func(v any)

	mu       sync.Mutex
	conns    map[*server]struct{}
	stopping bool
	empty    chan struct{} // closed when the last connection has gone; set by Shutdown
}

// ServeConn serves one connection and closes it. start is what was already
// read of it: the client's preface, or the beginning of that. It returns when
// the connection has ended and all handlers have returned.
func (s *Server) ServeConn(nc net.Conn, start []byte) {
	c := newServer(s, nc, start)
	if s.add(c) {
		time.AfterFunc(settle, c.drain)
	}
	defer s.remove(c)
	c.serve()
}

func (s *Server) add(c *server) (stopping bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns == nil {
		s.conns = map[*server]struct{}{}
	}
	s.conns[c] = struct{}{}
	return s.stopping
}

func (s *Server) remove(c *server) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	if s.empty != nil && len(s.conns) == 0 {
		close(s.empty)
		s.empty = nil
	}
}

// settle is how long a connection that begins during Shutdown has for its
// requests: the client could not know.
const settle = 200 * time.Millisecond

// Shutdown tells all clients to open no more streams, waits until those that
// are open have ended, and closes the connections. When ctx is done first, it
// breaks off what remains and returns ctx's error. A connection that comes
// later is served what it asked for at once, and closed.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.stopping = true
	if len(s.conns) == 0 {
		s.mu.Unlock()
		return nil
	}
	if s.empty == nil {
		s.empty = make(chan struct{})
	}
	empty := s.empty
	s.mu.Unlock()
	for _, c := range s.open() {
		c.drain()
	}
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
	}
	for _, c := range s.open() {
		_ = c.conn.nc.Close()
	}
	return ctx.Err()
}

func (s *Server) open() []*server {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.conns))
}
