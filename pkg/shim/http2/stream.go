package http2

import (
	"errors"
	"io"
	"sync"

	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// stream is one exchange's two directions (RFC 9113, section 5). Its fields
// are guarded by conn.mu.
type stream struct {
	c    *conn
	id   uint32
	cond sync.Cond // of who waits for a body or for window
	err  error     // why the stream ended before its time
	gone func()    // to call when the peer ends it

	// Sending.
	sendWindow int
	sendEnd    bool // END_STREAM was sent

	// Receiving.
	final   bool // the head came, which is no 1xx
	in      buffer
	recv    credit
	recvEnd bool  // END_STREAM came
	left    int64 // of the content-length, -1 where there is none
	dropped bool  // nobody will read any more
	trailer message.Header

	// Of a server's stream.
	expect    bool            // the client waits for 100 Continue
	answered  bool            // the head of the answer was sent
	trailerTo *message.Header // gets trailer when the body has been read
	counted   bool            // among the server's running exchanges

	// Of a client's stream.
	headless bool           // the answer has no body, whatever its fields say
	heads    []message.Head // of answers, that were not taken
	interims int            // that came
}

// open makes a stream known.
func (c *conn) open(s *stream, id uint32) {
	s.c, s.id, s.cond.L = c, id, &c.mu
	s.sendWindow = c.peerWindow
	s.recv = credit{left: streamWindow, most: streamWindow}
	c.streams[id] = s
	c.maxID = id
}

// remove makes a stream forgotten. reset says that we ended it before the
// peer did.
func (c *conn) remove(s *stream, reset bool) {
	if c.streams[s.id] == s {
		delete(c.streams, s.id)
		c.past.add(s.id, reset)
		c.side.ended(s)
	}
}

// fail ends both directions. What was received is lost unless it was all.
func (s *stream) fail(err error) {
	if s.err != nil {
		return
	}
	s.err = err
	if !s.recvEnd {
		s.c.giveBack(s.in.clear())
	}
	s.cond.Broadcast()
	s.c.room.Broadcast()
	if f := s.gone; f != nil {
		s.gone = nil
		go f()
	}
}

// reset ends the stream with RST_STREAM.
func (s *stream) reset(code Code, err error) {
	c := s.c
	if c.streams[s.id] != s {
		return
	}
	c.out = appendReset(c.out, s.id, code)
	c.flush()
	s.fail(err)
	c.remove(s, true)
}

// part is what one call of send puts out, all of it optional.
type part struct {
	interim, head, data, trailer []byte // header blocks, but for data
	end                          bool
}

// send puts frames out. It waits while windows are shut.
func (s *stream) send(p part) error {
	c := s.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := s.await(0); err != nil {
		return err
	}
	if len(p.interim) > 0 {
		c.putHeaders(s.id, p.interim, false)
	}
	if len(p.head) > 0 {
		s.answered = true
		c.putHeaders(s.id, p.head, p.end && len(p.data) == 0 && len(p.trailer) == 0)
	}
	empty := len(p.data) == 0
	for len(p.data) > 0 {
		if err := s.await(1); err != nil {
			return err
		}
		n := min(len(p.data), maxFrame, s.sendWindow, c.sendWindow)
		flags := uint8(0)
		if p.end && n == len(p.data) && len(p.trailer) == 0 {
			flags = flagEndStream
		}
		c.out = append(appendFrame(c.out, frameData, flags, s.id, n), p.data[:n]...)
		s.sendWindow -= n
		c.sendWindow -= n
		p.data = p.data[n:]
	}
	c.flush()
	if !p.end {
		return nil
	}
	switch {
	case len(p.trailer) > 0:
		c.putHeaders(s.id, p.trailer, true)
	case empty && len(p.head) == 0:
		c.out = appendFrame(c.out, frameData, flagEndStream, s.id, 0)
	}
	s.sendEnd = true
	if s.recvEnd {
		c.remove(s, false)
	}
	return nil
}

// await waits until something can be put out: data where window is 1.
func (s *stream) await(window int) error {
	c := s.c
	for s.err == nil {
		if s.sendEnd {
			return errEnded
		}
		shut := s.sendWindow < window
		if !shut && c.sendWindow >= window && len(c.out) < outRoom {
			return nil
		}
		if len(c.out) > 0 { // else all who wait for a window would wake each other by it
			c.flush()
		}
		if shut {
			s.cond.Wait()
		} else {
			c.room.Wait()
		}
	}
	return s.err
}

var (
	errEnded   = errors.New("the message has ended")
	errTooLong = streamError{codeProtocol, "the body is not as long as content-length says"}
)

// receive takes a DATA frame's body, and so much padding.
func (s *stream) receive(p []byte, padding int, end bool) error {
	if s.recvEnd {
		return errClosed
	}
	if !s.final {
		return malformed("DATA before HEADERS")
	}
	if !s.recv.take(len(p) + padding) {
		return streamError{codeFlowControl, "more DATA than the stream's window"}
	}
	if s.left >= 0 {
		if s.left -= int64(len(p)); s.left < 0 || end && s.left > 0 {
			return errTooLong
		}
	}
	if s.dropped {
		padding += len(p)
	} else {
		s.in.write(p)
	}
	if padding > 0 {
		s.c.giveBack(padding)
		s.grant(padding)
	}
	if end {
		s.endReceive()
	}
	s.cond.Broadcast()
	return nil
}

// endReceive notes that the peer has sent all.
func (s *stream) endReceive() {
	s.recvEnd = true
	s.cond.Broadcast()
	if s.sendEnd {
		s.c.remove(s, false)
	}
}

// grant lets the peer send n bytes more on this stream.
func (s *stream) grant(n int) {
	if n = s.recv.give(n); n > 0 && !s.recvEnd && s.err == nil {
		s.c.out = appendWindowUpdate(s.c.out, s.id, n)
		s.c.flush()
	}
}

// drop forgets what was received and will be.
func (s *stream) drop() {
	s.dropped = true
	n := s.in.clear()
	s.c.giveBack(n)
	s.grant(n)
	s.cond.Broadcast()
}

// Read reads the received body; see message.Body.
func (s *stream) Read(p []byte) (int, error) {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	if s.expect && s.in.len == 0 && !s.recvEnd {
		s.goOn()
	}
	for {
		switch {
		case s.in.len > 0:
			n := s.in.read(p)
			s.c.giveBack(n)
			s.grant(n)
			return n, nil
		case s.dropped:
			return 0, errEnded
		case s.recvEnd:
			if s.trailerTo != nil {
				*s.trailerTo = s.trailer
			}
			return 0, io.EOF
		case s.err != nil:
			return 0, s.err
		case len(p) == 0:
			return 0, nil
		}
		s.cond.Wait()
	}
}

// Buffered is the number of bytes that Read has at hand.
func (s *stream) Buffered() int {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	return s.in.len
}

// goOn sends "100 Continue" once.
func (s *stream) goOn() {
	s.expect = false
	if !s.answered && s.err == nil {
		s.c.putHeaders(s.id, appendStatus(nil, 100), false)
		s.c.flush()
	}
}

// onGone has f called when the peer ends the stream before we do.
func (s *stream) onGone(f func()) {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	if s.gone = f; f != nil && s.err != nil && !s.sendEnd {
		s.gone = nil
		go f()
	}
}

// broken returns why the stream has ended before its time.
func (s *stream) broken() error {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	return s.err
}
