package http2

import (
	"encoding/binary"
	"errors"
	"os"
	"time"
)

const (
	// maxContinuations is how many frames a header block may be spread over
	// (CVE-2024-27316): many times what its size needs.
	maxContinuations = 256
	// maxBlock is the largest header block in bytes that is decoded even where
	// Options.HeaderLimit is less: what is only over that is answered 431,
	// while a block that is not decoded ends the connection.
	maxBlock = 1 << 20
)

// readFrames handles frames until one of them, or the connection, is wrong.
func (c *conn) readFrames() error {
	for first := true; ; first = false {
		h, err := c.frames.header()
		if err != nil {
			return err
		}
		if first && (h.kind != frameSettings || h.has(flagAck)) {
			return connError{codeProtocol, "the first frame is not SETTINGS"}
		}
		if h.kind == frameHeaders {
			err = c.readHeaders(h)
		} else {
			var p []byte
			if p, err = c.frames.payload(h); err == nil {
				c.mu.Lock()
				err = c.handle(h, p)
				c.mu.Unlock()
			}
		}
		if err != nil {
			if err = c.resetFor(h.stream, err); err != nil {
				return err
			}
		}
		if first {
			c.setReadDeadline(time.Time{})
		}
	}
}

// resetFor ends the stream where err concerns only that.
func (c *conn) resetFor(id uint32, err error) error {
	e, ok := err.(streamError)
	if !ok {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.streams[id]; s != nil {
		s.reset(e.code, e)
	} else {
		c.past.add(id, true)
		c.out = appendReset(c.out, id, e.code)
	}
	if err := c.patience.spend(costStream); err != nil {
		return err
	}
	return c.answer()
}

// handle does what a frame other than HEADERS asks for.
func (c *conn) handle(h frameHeader, p []byte) error {
	if c.err != nil {
		return c.err
	}
	switch h.kind {
	case frameData:
		return c.data(h, p)
	case framePriority:
		return c.priority(h)
	case frameRSTStream:
		return c.rstStream(h, p)
	case frameSettings:
		return c.settings(h, p)
	case framePing:
		return c.ping(h, p)
	case frameGoAway:
		if h.stream != 0 {
			return errStreamNotZero
		}
		if h.length < 8 {
			return errLength
		}
		c.side.goAway(binary.BigEndian.Uint32(p)&maxStreamID, Code(binary.BigEndian.Uint32(p[4:])))
	case frameWindowUpdate:
		return c.windowUpdate(h, p)
	case framePushPromise:
		return connError{codeProtocol, "PUSH_PROMISE, which nobody may send here"}
	case frameContinuation:
		return connError{codeProtocol, "CONTINUATION without HEADERS"}
	default: // must be ignored (RFC 9113, section 4.1)
		return c.patience.spend(costFrame)
	}
	return nil
}

var (
	errLength        = connError{codeFrameSize, "a frame's length is not what its type has"}
	errStreamZero    = connError{codeProtocol, "the frame must belong to a stream"}
	errStreamNotZero = connError{codeProtocol, "the frame must not belong to a stream"}
	errIdle          = connError{codeProtocol, "the stream was not opened"}
	errClosed        = streamError{codeStreamClosed, "the stream has ended"}
)

// readHeaders reads a whole header block (RFC 9113, section 4.3), which must
// be there within Options.HeaderTimeout.
func (c *conn) readHeaders(h frameHeader) error {
	if h.stream == 0 {
		return errStreamZero
	}
	timed := !h.has(flagEndHeaders) || c.frames.w-c.frames.r < h.length
	if timed {
		c.setReadDeadline(time.Now().Add(c.options.HeaderTimeout))
	}
	block, err := c.headerBlock(h)
	if err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return connError{codeEnhanceYourCalm, "a header block took too long"}
		}
		return err
	}
	if timed {
		c.setReadDeadline(time.Time{})
	}
	fields, fits, err := c.decoder.decode(nil, block, c.options.HeaderLimit)
	if err != nil {
		return connError{codeCompression, err.Error()}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	return c.side.headers(h.stream, fields, fits, h.has(flagEndStream))
}

// setReadDeadline leaves the deadline of a connection that ends alone.
func (c *conn) setReadDeadline(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		_ = c.nc.SetReadDeadline(t)
	}
}

// headerBlock reads the payload of HEADERS, and CONTINUATION frames after it.
func (c *conn) headerBlock(h frameHeader) ([]byte, error) {
	p, err := c.frames.payload(h)
	if err != nil {
		return nil, err
	}
	block, err := unpad(h, p)
	if err != nil {
		return nil, err
	}
	if h.has(flagPriority) {
		if len(block) < 5 {
			return nil, errLength
		}
		block = block[5:]
	}
	if h.has(flagEndHeaders) {
		return block, nil
	}
	block = append([]byte(nil), block...)
	for range maxContinuations {
		next, err := c.frames.header()
		if err != nil {
			return nil, err
		}
		if next.kind != frameContinuation || next.stream != h.stream {
			return nil, connError{codeProtocol, "a header block is not continued"}
		}
		if p, err = c.frames.payload(next); err != nil {
			return nil, err
		}
		if block = append(block, p...); len(block) > max(maxBlock, c.options.HeaderLimit) {
			return nil, connError{codeEnhanceYourCalm, "a header block is over the limit"}
		}
		if next.has(flagEndHeaders) {
			return block, nil
		}
	}
	return nil, connError{codeEnhanceYourCalm, "a header block in too many frames"}
}
