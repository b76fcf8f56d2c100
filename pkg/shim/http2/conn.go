package http2

import (
	"io"
	"net"
	"sync"
	"time"

	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

const (
	// streamWindow and connWindow are how much of bodies a peer may send that
	// nobody has read yet; so much memory can a stream and a connection take.
	streamWindow = 1 << 20
	connWindow   = 4 << 20
	// outRoom is how many bytes may wait to be written before streams wait.
	outRoom = 64 << 10
	// owedMost is how many answers to PING, SETTINGS and the like may wait: a
	// peer could ask for them and not read them.
	owedMost = 5000
	// farewell is how long a connection that ends may take to tell the peer.
	farewell = 2 * time.Second
	// linger is how long we still read after that, so that the system does not
	// drop with the unread bytes what we have sent (RFC 9112, section 9.6).
	linger = time.Second
)

// side is what differs between a server's and a client's end of a connection.
// It is called with conn.mu held.
type side interface {
	// headers takes a decoded header block. Where fits is false it is over the
	// limit, and h not the whole of it.
	headers(id uint32, h message.Header, fits, end bool) error
	// goAway takes a GOAWAY frame.
	goAway(last uint32, code Code)
	// pong takes the answer to a PING.
	pong(payload [8]byte)
	// ended is called when a stream is no longer open.
	ended(s *stream)
}

// conn is one end of a connection: one goroutine reads frames, one writes
// them, and any number send and receive on streams.
type conn struct {
	nc      net.Conn
	side    side
	frames  *frameReader
	options Options

	// Of the reading goroutine only.
	decoder  *decoder
	patience patience

	mu         sync.Mutex
	out        []byte    // frames to write
	wake       sync.Cond // of the writing goroutine: there is work
	work       bool
	room       sync.Cond // of senders: there is room in out, or window
	owed       int       // answers in out that the peer asked for
	blocks     bool      // a header block was sent
	streams    map[uint32]*stream
	past       past
	maxID      uint32 // the highest stream that was opened
	sendWindow int
	peerWindow int    // of each of the peer's new streams
	peerMost   uint32 // concurrent streams that the peer allows
	greeted    bool   // SETTINGS came
	acked      bool   // the peer knows our SETTINGS
	recv       credit
	err        error // why the connection is over
	closing    bool  // nothing more will be written than out
}

func newConn(nc net.Conn, start []byte, o Options) *conn {
	c := &conn{
		nc: nc, frames: newFrameReader(nc, start), options: o, decoder: newDecoder(),
		streams: map[uint32]*stream{}, sendWindow: firstWindow, peerWindow: firstWindow,
		recv: credit{left: connWindow, most: connWindow}, patience: patience{at: time.Now()},
	}
	c.wake.L, c.room.L = &c.mu, &c.mu
	return c
}

// putHeaders puts a header block out.
func (c *conn) putHeaders(stream uint32, block []byte, end bool) {
	if !c.blocks {
		c.blocks = true
		block = append([]byte{noTable}, block...)
	}
	c.out = appendHeaders(c.out, stream, block, end)
}

// answer has out written, in which there is one answer more that the peer
// asked for.
func (c *conn) answer() error {
	c.flush()
	if c.owed++; c.owed > owedMost {
		return connError{codeEnhanceYourCalm, "answers are asked for, but not read"}
	}
	return c.patience.spend(costFrame)
}

// flush has out written.
func (c *conn) flush() {
	if !c.work {
		c.work = true
		c.wake.Signal()
	}
}

// write writes out until the connection ends.
func (c *conn) write() {
	var spare []byte
	c.mu.Lock()
	for c.err == nil || c.closing {
		if !c.work {
			if c.closing {
				break
			}
			c.wake.Wait()
			continue
		}
		b := c.out
		c.out, c.work, c.owed = spare[:0], false, 0
		if len(b) >= outRoom {
			c.room.Broadcast()
		}
		c.mu.Unlock()
		err := error(nil)
		if len(b) > 0 {
			_, err = c.nc.Write(b)
		}
		if spare = b; cap(spare) > 4*outRoom {
			spare = nil
		}
		c.mu.Lock()
		if err != nil {
			c.closing = false
			c.end(err)
			break
		}
	}
	c.out = nil
	c.mu.Unlock()
	if half, ok := c.nc.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
		_ = c.nc.SetReadDeadline(time.Now().Add(linger))
	} else {
		_ = c.nc.Close()
	}
}

// end breaks all streams off and has the connection closed after what is in
// out. err says why.
func (c *conn) end(err error) {
	if c.err != nil {
		return
	}
	c.err = err
	for _, s := range c.streams {
		s.fail(err)
	}
	c.work = true
	c.wake.Signal()
	c.room.Broadcast()
	_ = c.nc.SetDeadline(time.Now().Add(farewell))
}

// close ends the connection and says why in a GOAWAY frame.
func (c *conn) close(e connError) {
	if c.err == nil {
		c.out = appendGoAway(c.out, c.maxID, e.code, e.why)
		c.closing = true
		c.end(e)
	}
}

// run reads what comes until the connection has ended, and closes it. A
// deadline for the first frame must be set.
func (c *conn) run(read func() error) {
	written := make(chan struct{})
	go func() {
		defer close(written)
		c.write()
	}()
	err := read()
	c.mu.Lock()
	if e, ok := err.(connError); ok {
		c.close(e)
	} else {
		c.end(err)
	}
	c.mu.Unlock()
	_, _ = io.Copy(io.Discard, c.nc)
	<-written
	_ = c.nc.Close()
}

// idle says whether a stream was never opened.
func (c *conn) idle(id uint32) bool { return id&1 == 0 || id > c.maxID }

// past remembers streams that ended lately: frames of them may be under way.
type past struct {
	streams [256]pastStream
	n       int
}

type pastStream struct {
	id    uint32
	reset bool // by us: the peer may not know yet
}

func (p *past) add(id uint32, reset bool) {
	p.streams[p.n%len(p.streams)] = pastStream{id, reset}
	p.n++
}

func (p *past) find(id uint32) (known, reset bool) {
	for _, s := range &p.streams {
		if s.id == id {
			return true, s.reset
		}
	}
	return false, false
}

// credit is a window that we grant (RFC 9113, section 5.2): what the peer may
// still send, and what was read and is not granted anew yet.
type credit struct{ left, back, most int }

// take counts n bytes that came. It is false where there were too many.
func (w *credit) take(n int) bool {
	w.left -= n
	return w.left >= 0
}

// give counts n bytes that were read. Where enough has come together it
// returns the increment to announce.
func (w *credit) give(n int) int {
	if w.back += n; w.back < w.most/4 {
		return 0
	}
	n = w.back
	w.left += n
	w.back = 0
	return n
}

// giveBack grants n bytes of the connection's window anew.
func (c *conn) giveBack(n int) {
	if n = c.recv.give(n); n > 0 && c.err == nil {
		c.out = appendWindowUpdate(c.out, 0, n)
		c.flush()
	}
}
