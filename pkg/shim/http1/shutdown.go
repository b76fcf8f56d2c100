package http1

import (
	"context"
	"time"
)

// settle is how long connections are still accepted, and a request is still
// waited for on connections that have none, after Shutdown has begun: one may
// be on its way that was sent before the client could know.
const settle = 50 * time.Millisecond

// settleTime is settle, but in tests of it, which may be held up.
func (s *Server) settleTime() time.Duration {
	if s.settle > 0 {
		return s.settle
	}
	return settle
}

// Shutdown ends the server and loses no request: those that are being
// answered, upgraded connections included, go on until ctx ends, and what is
// left then is cut; the error is that of ctx. Answers that begin from now on
// announce the end of their connection. To end HTTP/2 connections is up to
// who serves them.
func (s *Server) Shutdown(ctx context.Context) error {
	s.draining.Store(true)
	s.poke()
	select {
	case <-time.After(s.settleTime()):
	case <-ctx.Done():
	}
	s.closeListeners()
	s.mu.Lock()
	if len(s.conns) == 0 {
		s.closed = true
		s.mu.Unlock()
		return nil
	}
	if s.empty == nil {
		s.empty = make(chan struct{})
	}
	empty := s.empty
	s.mu.Unlock()
	select {
	case <-empty:
		s.mu.Lock()
		s.closed = true
		s.mu.Unlock()
		return nil
	case <-ctx.Done():
		_ = s.Close()
		return ctx.Err()
	}
}

// Close ends the server and all connections at once.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	conns := s.snapshot(nil)
	s.mu.Unlock()
	s.closeListeners()
	for _, c := range conns {
		_ = c.nc.Close()
	}
	return nil
}

func (s *Server) closeListeners() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for l := range s.listens {
		_ = l.Close()
	}
}

// poke has idle connections end when nothing comes within the settle time.
func (s *Server) poke() {
	s.mu.Lock()
	conns := s.snapshot(nil)
	s.mu.Unlock()
	for _, c := range conns {
		c.mu.Lock()
		if c.idle {
			c.expire()
		}
		c.mu.Unlock()
	}
}

// snapshot appends the connections to list. s.mu is held.
func (s *Server) snapshot(list []*conn) []*conn {
	for c := range s.conns {
		list = append(list, c)
	}
	return list
}
