package http2

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
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

func newServer(s *Server, nc net.Conn, start []byte) *server {
	c := &server{Server: s, conn: newConn(nc, start, s.Options.orUsual())}
	c.conn.side = c
	settings := c.conn.options
	b := appendFrame(nil, frameSettings, 0, 0, 3*6)
	b = appendSetting(b, settingMaxConcurrentStreams, uint32(settings.Streams))
	b = appendSetting(b, settingInitialWindowSize, streamWindow)
	b = appendSetting(b, settingMaxHeaderListSize, uint32(settings.HeaderLimit))
	c.conn.out = appendWindowUpdate(b, 0, connWindow-firstWindow)
	c.conn.work = true
	return c
}

func (c *server) serve() {
	timeout := c.conn.options.HeaderTimeout
	c.conn.setReadDeadline(time.Now().Add(timeout))
	c.conn.run(func() error {
		if err := c.conn.frames.preface(); err != nil {
			return err
		}
		defer time.AfterFunc(timeout, c.unacknowledged).Stop()
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
	var request message.Request
	var refused *message.Failure
	if !fits {
		request = message.Request{Version: message.HTTP2, Length: -1}
		refused = &message.Failure{Status: 431, Type: "RequestHeaderFieldsTooLarge", Message: fmt.Sprintf("the header fields count for more than %d bytes", c.conn.options.HeaderLimit)}
	} else {
		var err error
		if request, err = newRequest(h, end); err != nil {
			return err
		}
		if request.Method == "CONNECT" {
			refused = &message.Failure{Status: 501, Type: "NotImplemented", Message: "CONNECT is for proxies"}
		}
	}
	x := &exchange{request: request}
	c.conn.open(&x.s, id)
	x.request.Remote = c.conn.nc.RemoteAddr()
	x.s.final, x.s.left, x.s.recvEnd = true, -1, end
	if !end {
		x.s.left = request.Length
	}
	if request.Length != 0 {
		x.request.Body = &x.s
		x.s.expect = request.Expect
		x.s.trailerTo = &x.request.Trailer
	}
	x.s.counted = true
	c.running++
	c.handlers.Go(func() { c.handle(x, refused) })
	return nil
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
func (c *server) handle(x *exchange, refused *message.Failure) {
	defer func() {
		if !x.ended {
			x.Abort()
		}
	}()
	if c.Panicked != nil {
		defer func() {
			if v := recover(); v != nil {
				c.Panicked(v)
			}
		}()
	}
	if refused != nil {
		message.Answer(x, refused.Status, message.Header{{Name: "Content-Type", Value: "application/json"}}, refused.JSON())
		return
	}
	c.Handler.Serve(x)
}

// done says that an exchange counts no longer.
func (c *server) done(s *stream) {
	if s.counted {
		s.counted = false
		c.running--
		c.endDrained()
	}
}

// ended is side's. From the end of the answer on the client may open another
// stream; one that it has reset counts until its handler returns.
func (c *server) ended(s *stream) {
	if s.sendEnd {
		c.done(s)
	}
}

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
