package http1

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// What a Server does where its fields say nothing.
const (
	DefaultHeaderLimit = 1 << 20 // bytes
	DefaultHeadTimeout = 60 * time.Second
)

// ErrServerClosed is what Serve returns after Shutdown or Close.
var ErrServerClosed = errors.New("the server was closed")

// Server answers HTTP/1.0 and HTTP/1.1 requests of the connections that its
// listeners accept, each in a goroutine of its own. Its fields must not change
// after the first Serve.
//
// A connection may wait for its next request for ever, and a body may come as
// slowly as it likes: the platform keeps connections for more than 15 minutes,
// and a call may take a day. Only a head that has begun has to come to its end.
//
// A client that ends its side of the connection and still reads (RFC 9112,
// section 9.6; nc does) gets its answer. So a FIN does not count as the
// client's going away until something cannot be written, or the client's
// kernel says that nobody is there any more, which takes Linux a minute
// (tcp_fin_timeout); a reset counts at once.
// CloseIsGone is for clients of which is known that they do no such thing.
type Server struct {
	Handler message.Handler
	// CloseIsGone has a FIN count as the client's going away.
	CloseIsGone bool
	// HeaderLimit is the largest head of a request in bytes, and the largest
	// trailer section.
	HeaderLimit int
	// HeadTimeout is how long a head may take from its first byte.
	HeadTimeout time.Duration
	// H2 serves a connection that begins with HTTP/2's preface (RFC 9113,
	// section 3.4) until it has ended; the server closes it. start begins with
	// the whole preface. nil refuses such connections.
	H2 func(c net.Conn, start []byte)
	// Refused, if set, is told of requests that were answered without the
	// Handler because they could not be read.
	Refused func(remote net.Addr, err error)
	// Panicked, if set, is told of a panic in Handler, of which only the
	// connection dies. Without it the process does.
	Panicked func(v any)

	settle   time.Duration // 0 is the usual one
	draining atomic.Bool
	mu       sync.Mutex
	listens  map[net.Listener]struct{}
	conns    map[*conn]struct{}
	closed   bool
	empty    chan struct{} // closed when the last connection has gone; set by Shutdown
	sweeper  sweeper
}

// Serve accepts connections until Shutdown or Close, and then returns
// ErrServerClosed. It may be called for several listeners; it closes them.
func (s *Server) Serve(l net.Listener) error {
	defer l.Close()
	if !s.addListener(l) {
		return ErrServerClosed
	}
	defer s.removeListener(l)
	for pause := time.Duration(0); ; {
		nc, err := l.Accept()
		if err == nil {
			pause = 0
			s.start(nc)
			continue
		}
		if s.isClosed() {
			return ErrServerClosed
		}
		// Mostly there are no more file descriptors: others will be closed.
		if t, ok := err.(interface{ Temporary() bool }); !ok || !t.Temporary() {
			return err
		}
		pause = min(max(2*pause, 5*time.Millisecond), time.Second)
		time.Sleep(pause)
	}
}

// start serves a connection from now on.
func (s *Server) start(nc net.Conn) {
	c := newConn(s, nc)
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		_ = nc.Close()
		return
	}
	if s.conns == nil {
		s.conns = map[*conn]struct{}{}
	}
	s.conns[c] = struct{}{}
	s.mu.Unlock()
	go c.serve()
}

// forget is called when a connection has ended.
func (s *Server) forget(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	if len(s.conns) == 0 && s.empty != nil {
		close(s.empty)
		s.empty = nil
	}
}

func (s *Server) addListener(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.draining.Load() {
		return false
	}
	if s.listens == nil {
		s.listens = map[net.Listener]struct{}{}
	}
	s.listens[l] = struct{}{}
	return true
}

func (s *Server) removeListener(l net.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listens, l)
}

func (s *Server) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed || s.draining.Load()
}

func (s *Server) headerLimit() int {
	if s.HeaderLimit > 0 {
		return s.HeaderLimit
	}
	return DefaultHeaderLimit
}

func (s *Server) headTimeout() time.Duration {
	if s.HeadTimeout > 0 {
		return s.HeadTimeout
	}
	return DefaultHeadTimeout
}
