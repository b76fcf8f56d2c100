package http1

import (
	"net"
	"sync/atomic"
	"syscall"
	"time"
)

// sweepEvery is how often clients are looked at that may have gone away. An
// exchange that takes less costs nothing but an entry.
const sweepEvery = 100 * time.Millisecond

// sweepIdle is the number of rounds with nothing to look at after which the
// sweeper ends.
const sweepIdle = 50

// watch is what OnGone asked for. It is guarded by conn.mu.
type watch struct {
	f     func()
	since uint32 // the round in which it was asked
	raw   syscall.RawConn
	fin   bool // the client has ended its side
}

// sweeper is one goroutine for all connections of a server, so that no request
// needs one that waits for its client to go.
type sweeper struct {
	running atomic.Bool
	round   atomic.Uint32
}

// OnGone is part of message.Exchange. While f runs, OnGone waits: after
// OnGone(nil) f does not run any more.
func (x *exchange) OnGone(f func()) {
	c := x.c
	x.watching = f != nil
	c.mu.Lock()
	c.watch.f, c.watch.since = f, c.srv.sweeper.round.Load()
	c.mu.Unlock()
	if f != nil && !c.srv.sweeper.running.Load() && c.srv.sweeper.running.CompareAndSwap(false, true) {
		go c.srv.sweep()
	}
}

func (s *Server) sweep() {
	t := time.NewTicker(sweepEvery)
	defer t.Stop()
	var conns []*conn
	for idle := 0; ; {
		<-t.C
		round := s.sweeper.round.Add(1)
		s.mu.Lock()
		conns = s.snapshot(conns[:0])
		s.mu.Unlock()
		idle++
		for _, c := range conns {
			if c.check(round) {
				idle = 0
			}
		}
		clear(conns)
		if idle < sweepIdle && len(conns) > 0 {
			continue
		}
		s.sweeper.running.Store(false)
		// Something may have been asked for since it was looked at.
		if s.watched() && s.sweeper.running.CompareAndSwap(false, true) {
			idle = 0
			continue
		}
		return
	}
}

func (s *Server) watched() bool {
	s.mu.Lock()
	conns := s.snapshot(nil)
	s.mu.Unlock()
	for _, c := range conns {
		c.mu.Lock()
		asked := c.watch.f != nil
		c.mu.Unlock()
		if asked {
			return true
		}
	}
	return false
}

// check calls what waits for the client to go away where it has. It says
// whether anything waits.
func (c *conn) check(round uint32) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := &c.watch
	if w.f == nil {
		return false
	}
	if round-w.since < 2 {
		return true
	}
	if w.raw == nil {
		sc, ok := c.nc.(syscall.Conn)
		if !ok {
			return true
		}
		var err error
		if w.raw, err = sc.SyscallConn(); err != nil {
			return true
		}
	}
	state := tcpState(w.raw)
	if state == stateFIN && c.srv.CloseIsGone {
		state = stateReset
	}
	switch state {
	case stateReset:
		f := w.f
		w.f = nil
		f()
	case stateFIN:
		if w.fin {
			break
		}
		w.fin = true
		// It may still read, or be dead. The kernel of a dead one answers
		// probes with a reset, once it has forgotten the connection (after
		// tcp_fin_timeout, 60 s).
		if tc, ok := c.nc.(*net.TCPConn); ok {
			_ = tc.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3})
		}
	}
	return true
}

// connState is what the kernel knows of the client.
type connState int

const (
	stateOpen  connState = iota
	stateFIN             // it will send no more
	stateReset           // it is gone
)
