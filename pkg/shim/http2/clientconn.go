package http2

import (
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// client is the client's end of a connection.
type client struct {
	conn       *conn
	generation int

	// Guarded by conn.mu.
	retired bool // no new streams
	active  int
	used    time.Time
	asked   chan struct{} // closed when the PING under way is answered
}

// Errors of streams that the program has not processed (RFC 9113, section
// 8.7), so that their requests may be sent again.
var (
	errUnprocessed = errors.New("the program takes no more requests on this connection")
	errRetired     = errors.New("the connection is out of use")
)

// newClient begins HTTP/2 on a connection: it returns when the program's
// SETTINGS have come.
func newClient(ctx context.Context, nc net.Conn, generation int) (*client, error) {
	c := &client{conn: newConn(nc, nil, Options{}.orUsual()), generation: generation, used: time.Now()}
	c.conn.side = c
	b := appendFrame([]byte(preface), frameSettings, 0, 0, 3*6)
	b = appendSetting(b, settingEnablePush, 0)
	b = appendSetting(b, settingInitialWindowSize, streamWindow)
	b = appendSetting(b, settingMaxHeaderListSize, uint32(c.conn.options.HeaderLimit))
	c.conn.out = appendWindowUpdate(b, 0, connWindow-firstWindow)

	// Some servers say nothing before they have the preface.
	_ = nc.SetDeadline(time.Now().Add(handshake))
	stop := context.AfterFunc(ctx, func() { _ = nc.Close() })
	_, err := nc.Write(c.conn.out)
	first, readErr := c.conn.frames.peek(frameHeaderLen)
	if !stop() {
		return nil, ctx.Err()
	}
	if err != nil || readErr != nil || !isServer(first) {
		_ = nc.Close()
		return nil, errNotHTTP2
	}
	_ = nc.SetDeadline(time.Time{})
	c.conn.out = c.conn.out[:0]
	go c.conn.run(c.conn.readFrames)
	return c, nil
}

func (c *client) usable() bool {
	c.conn.mu.Lock()
	defer c.conn.mu.Unlock()
	return c.conn.err == nil && !c.retired
}

// retire ends the connection after its last stream.
func (c *client) retire() {
	c.conn.mu.Lock()
	defer c.conn.mu.Unlock()
	c.retired = true
	c.conn.room.Broadcast()
	c.endRetired()
}

func (c *client) endRetired() {
	if c.retired && c.active == 0 && c.conn.err == nil {
		c.conn.out = appendGoAway(c.conn.out, 0, codeNo, "")
		c.conn.closing = true
		c.conn.end(errRetired)
	}
}

// alive asks a connection that was not in use for some time with a PING, one
// for all who want to know: gRPC's servers end a connection on which more come.
func (c *client) alive() bool {
	c.conn.mu.Lock()
	if c.active > 0 || time.Since(c.used) < restTime || c.conn.err != nil {
		defer c.conn.mu.Unlock()
		return c.conn.err == nil
	}
	pong := c.asked
	if pong == nil {
		pong = make(chan struct{})
		c.asked = pong
		c.conn.out = append(appendFrame(c.conn.out, framePing, 0, 0, 8), "aliveyet"...)
		c.conn.flush()
	}
	c.conn.mu.Unlock()
	late := time.NewTimer(pongTime)
	defer late.Stop()
	select {
	case <-pong:
	case <-late.C:
	}
	c.conn.mu.Lock()
	defer c.conn.mu.Unlock()
	if c.asked == pong {
		c.conn.end(io.ErrUnexpectedEOF)
	}
	return c.conn.err == nil
}

func (c *client) pong([8]byte) {
	if c.asked != nil {
		close(c.asked)
		c.asked, c.used = nil, time.Now()
	}
}

// open opens a stream with a request's head; it waits while the program allows
// no more of them. gone, checked with conn.mu held, ends that.
func (c *client) open(s *stream, head []byte, end bool, gone func() bool) error {
	c.conn.mu.Lock()
	defer c.conn.mu.Unlock()
	for {
		switch {
		case gone():
			return message.ErrAborted
		case c.conn.err != nil, c.retired, c.conn.maxID+2 > maxStreamID-2:
			c.retired = true
			return errUnprocessed
		case c.active < int(c.conn.peerMost) && len(c.conn.out) < outRoom:
			id := c.conn.maxID + 2
			if c.conn.maxID == 0 {
				id = 1
			}
			c.conn.open(s, id)
			c.active++
			c.used = time.Now()
			s.left, s.sendEnd = -1, end
			c.conn.putHeaders(id, head, end)
			c.conn.flush()
			return nil
		}
		c.conn.room.Wait()
	}
}

func (c *client) ended(*stream) {
	c.active--
	c.used = time.Now()
	c.conn.room.Broadcast()
	c.endRetired()
}

func (c *client) goAway(last uint32, _ Code) {
	c.retired = true
	c.conn.room.Broadcast()
	for id, s := range c.conn.streams {
		if id > last {
			s.fail(errUnprocessed)
			c.conn.remove(s, true)
		}
	}
	c.endRetired()
}

func (c *client) headers(id uint32, h message.Header, fits, end bool) error {
	for i := range h { // an unchanged program is forgiven what can be put right
		h[i].Value = strings.Trim(h[i].Value, " \t")
	}
	s := c.conn.streams[id]
	switch {
	case s == nil && c.conn.idle(id):
		return connError{codeProtocol, "HEADERS on a stream that was not opened"}
	case s == nil:
		return nil // it was reset
	case s.final:
		return s.trail(h, fits, end)
	case !fits:
		return streamError{codeEnhanceYourCalm, "the header fields are over the limit"}
	}
	head, err := newHead(h)
	if err != nil {
		return err
	}
	if s.final = head.Status >= 200; !s.final {
		if s.interims++; end || s.interims > maxInterims {
			return malformed("an interim answer that ends, or too many")
		}
	}
	s.heads = append(s.heads, head)
	s.cond.Broadcast()
	if !s.final {
		return nil
	}
	if s.headless = s.headless || head.Status == 204 || head.Status == 304; !s.headless {
		s.left = head.Length
	}
	if !end {
		return nil
	}
	if s.left > 0 {
		return errTooLong
	}
	s.endReceive()
	return nil
}

// maxInterims is how many 1xx answers may come before the final one.
const maxInterims = 100

// newHead makes an answer's head of a header block (RFC 9113, section 8.3.2).
func newHead(h message.Header) (message.Head, error) {
	if len(h) == 0 || h[0].Name != ":status" {
		return message.Head{}, malformed("no :status")
	}
	status, err := strconv.Atoi(h[0].Value)
	if len(h[0].Value) != 3 || err != nil || status < 100 || status == 101 {
		return message.Head{}, malformed("a wrong :status")
	}
	h = h[1:]
	if err := checkFields(h); err != nil {
		return message.Head{}, err
	}
	length, err := contentLength(h)
	if err != nil {
		return message.Head{}, err
	}
	if length >= 0 {
		h.Del("content-length")
	}
	return message.Head{Status: status, Header: h, Length: length}, nil
}

// nextHead waits for the head of an answer, interim or final.
func (s *stream) nextHead() (message.Head, error) {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	for len(s.heads) == 0 {
		if s.err != nil {
			return message.Head{}, s.err
		}
		s.cond.Wait()
	}
	head := s.heads[0]
	s.heads = s.heads[1:]
	return head, nil
}
