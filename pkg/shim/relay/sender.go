package relay

import (
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/imgbuild/imgbuild/pkg/shim/http1"
	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

const (
	// expectPatience is how long a body is held back that the client wants to
	// be asked for, where the program says nothing (RFC 9110, section 10.1.1).
	expectPatience = time.Second
	// stall is how long the rest of a body is sent without a byte of it going
	// on, when the answer has ended already.
	stall = time.Second
)

// sender streams a request's body to the program while the answer may already
// come.
type sender struct {
	e    *exchange
	c    *conn
	body message.Body

	// A body that is held back waits for one of these, each closed once.
	ahead, stopped     chan struct{}
	goAhead, stayAside func()
	moved              atomic.Int64
	done               chan struct{}
	// complete, once done: all of the body went out.
	complete bool
}

func newSender(e *exchange, c *conn) *sender {
	s := &sender{e: e, c: c, body: e.request.Body, done: make(chan struct{})}
	s.goAhead, s.stayAside = func() {}, func() {}
	if e.request.Expect {
		s.ahead, s.stopped = make(chan struct{}), make(chan struct{})
		s.goAhead = sync.OnceFunc(func() { close(s.ahead) })
		s.stayAside = sync.OnceFunc(func() { close(s.stopped) })
	}
	return s
}

func (s *sender) run() {
	defer close(s.done)
	if !s.asked() {
		return
	}
	buf := buffers.get()
	defer buffers.put(buf)
	for {
		n, err := s.body.Read(buf)
		if n > 0 {
			if _, err := s.c.Write(buf[:n]); err != nil {
				return // the program reads no more; it may answer all the same
			}
			s.moved.Add(int64(n))
		}
		switch {
		case err == io.EOF:
			if trailer, ok := s.e.trailer(); ok {
				err = s.c.End(trailer)
				s.complete = err == nil
			}
			if err == http1.ErrTooShort {
				_ = s.e.broken(err)
			}
			return
		case err != nil:
			_ = s.e.broken(err)
			return
		case s.body.Buffered() == 0 && s.c.Flush() != nil:
			return
		}
	}
}

// asked waits until the body may be sent.
func (s *sender) asked() bool {
	if s.ahead == nil {
		return true
	}
	late := time.NewTimer(s.e.relay.expectPatience)
	defer late.Stop()
	select {
	case <-s.ahead:
	case <-late.C:
	case <-s.stopped:
		return false
	}
	return true
}

// settle returns when no more of the body goes on, and says whether all of it
// went. The answer has come to its end: a program may answer first and read
// the rest then, or not read it at all.
func (s *sender) settle() bool {
	s.stayAside()
	tick := time.NewTicker(stall)
	defer tick.Stop()
	for last := s.moved.Load(); ; {
		select {
		case <-s.done:
			return s.complete
		case <-tick.C:
			now := s.moved.Load()
			if now == last {
				return false
			}
			last = now
		}
	}
}
