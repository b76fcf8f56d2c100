package http2

import (
	"encoding/binary"
	"errors"
	"sync"
	"time"

	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// server is the server's end of a connection.
type server struct {
	*Server
	conn     *conn
	handlers sync.WaitGroup

	// Guarded by conn.mu.
	running  int  // exchanges that count for Options.Streams
	draining bool // a first GOAWAY was sent
	drained  bool // the last was sent: no new streams
}

func (c *server) serve() {
	settings := c.conn.options
	b := appendFrame(nil, frameSettings, 0, 0, 3*6)
	b = appendSetting(b, settingMaxConcurrentStreams, uint32(settings.Streams))
	b = appendSetting(b, settingInitialWindowSize, streamWindow)
	b = appendSetting(b, settingMaxHeaderListSize, uint32(settings.HeaderLimit))
	c.conn.out = appendWindowUpdate(b, 0, connWindow-firstWindow)
	c.conn.work = true

	patience := time.AfterFunc(settings.HeaderTimeout, c.unacknowledged)
	defer patience.Stop()
	_ = c.conn.nc.SetReadDeadline(time.Now().Add(settings.HeaderTimeout))
	c.conn.run(func() error {
		if err := c.conn.frames.preface(); err != nil {
			return err
		}
		return c.conn.readFrames()
	})
	c.handlers.Wait()
}

// unacknowledged ends the connection where the client does not answer our
// SETTINGS (RFC 9113, section 6.5.3).
func (c *server) unacknowledged() {
	c.conn.mu.Lock()
	defer c.conn.mu.Unlock()
	if !c.conn.acked {
		c.conn.close(connError{codeSettingsTimeout, "SETTINGS were not acknowledged"})
	}
}

func (c *server) headers(id uint32, h message.Header, fits, end bool) error {
	if s := c.conn.streams[id]; s != nil {
		return s.trail(h, fits, end)
	}
	if id&1 == 0 || id <= c.conn.maxID {
		switch known, reset := c.conn.past.find(id); {
		case reset:
			return nil
		case known:
			return connError{codeStreamClosed, "HEADERS on a stream that has ended"}
		}
		return connError{codeProtocol, "HEADERS on a stream that cannot be opened"}
	}
	c.conn.maxID = id
	if c.drained || c.running >= c.conn.options.Streams {
		return streamError{codeRefusedStream, "too many streams"}
	}
	if !fits {
		return c.tooLarge(id, end)
	}
	request, err := newRequest(h, end)
	if err != nil {
		return err
	}
	x := &exchange{request: request, counted: true}
	c.conn.open(&x.s, id)
	x.request.Remote = c.conn.nc.RemoteAddr()
	x.s.left, x.s.recvEnd = -1, end
	if !end {
		x.s.left = request.Length
	}
	if request.Length != 0 {
		x.request.Body = &x.s
		x.s.expect = request.Expect
		x.s.trailerTo = &x.request.Trailer
	}
	c.running++
	c.handlers.Go(func() { c.handle(x) })
	return nil
}

// tooLarge answers a request whose fields are over the limit (RFC 6585,
// section 5).
func (c *server) tooLarge(id uint32, end bool) error {
	block := appendField(appendStatus(nil, 431), "content-length", "0")
	c.conn.putHeaders(id, block, true)
	if end {
		c.conn.past.add(id, false)
		c.conn.flush()
	} else {
		c.conn.refuse(id, codeNo)
	}
	return c.conn.patience.spend(costStream)
}

// trail takes the fields after a body.
func (s *stream) trail(h message.Header, fits, end bool) error {
	switch {
	case s.recvEnd:
		return errClosed
	case !end:
		return malformed("HEADERS within a body")
	case !fits:
		return streamError{codeEnhanceYourCalm, "a trailer over the limit"}
	case s.left > 0:
		return errTooLong
	}
	if err := checkTrailer(h); err != nil {
		return err
	}
	s.trailer = h
	s.endReceive()
	return nil
}

// handle answers one exchange.
func (c *server) handle(x *exchange) {
	if x.request.Method == "CONNECT" { // we make no tunnels
		message.Answer(x, 501, nil, nil)
	} else {
		c.Handler.Serve(x)
	}
	if !x.ended {
		x.Abort()
	}
}

// done says that an exchange counts no longer.
func (c *server) done(x *exchange) {
	if x.counted {
		x.counted = false
		c.running--
		c.endDrained()
	}
}

func (c *server) ended(*stream) {}

func (c *server) goAway(uint32, Code) {} // the client still waits for its answers

// drainPing is the payload of the PING that comes back after all streams that
// the client opened before it knew of our GOAWAY (RFC 9113, section 6.8).
var drainPing = [8]byte{'g', 'o', 'o', 'd', ' ', 'b', 'y', 'e'}

// drain lets open streams end, and no new ones begin.
func (c *server) drain() {
	c.conn.mu.Lock()
	defer c.conn.mu.Unlock()
	if c.draining || c.conn.err != nil {
		return
	}
	c.draining = true
	b := appendGoAway(c.conn.out, maxStreamID, codeNo, "")
	b = appendFrame(b, framePing, 0, 0, 8)
	c.conn.out = append(b, drainPing[:]...)
	c.conn.flush()
	time.AfterFunc(time.Second, func() {
		c.conn.mu.Lock()
		defer c.conn.mu.Unlock()
		c.lastGoAway()
	})
}

func (c *server) pong(payload [8]byte) {
	if c.draining && binary.BigEndian.Uint64(payload[:]) == binary.BigEndian.Uint64(drainPing[:]) {
		c.lastGoAway()
	}
}

func (c *server) lastGoAway() {
	if c.drained || c.conn.err != nil {
		return
	}
	c.drained = true
	c.conn.out = appendGoAway(c.conn.out, c.conn.maxID, codeNo, "")
	c.conn.flush()
	c.endDrained()
}

var errDrained = errors.New("the server is stopping")

// endDrained closes a connection whose last stream has ended.
func (c *server) endDrained() {
	if c.drained && c.running == 0 && c.conn.err == nil {
		c.conn.closing = true
		c.conn.end(errDrained)
	}
}
