package http2

import "encoding/binary"

// data handles a DATA frame (RFC 9113, section 6.1).
func (c *conn) data(h frameHeader, p []byte) error {
	if h.stream == 0 {
		return errStreamZero
	}
	if c.idle(h.stream) {
		return errIdle
	}
	if !c.recv.take(h.length) {
		return connError{codeFlowControl, "more DATA than the connection's window"}
	}
	body, err := unpad(h, p)
	if err != nil {
		return err
	}
	s := c.streams[h.stream]
	if s == nil {
		c.giveBack(h.length)
		if _, reset := c.past.find(h.stream); reset {
			return nil
		}
		return errClosed
	}
	if h.length == 0 && !h.has(flagEndStream) {
		if err := c.patience.spend(costFrame); err != nil {
			return err
		}
	}
	if err := s.receive(body, h.length-len(body), h.has(flagEndStream)); err != nil {
		c.giveBack(h.length)
		return err
	}
	return nil
}

// priority handles a PRIORITY frame, which means nothing any more (RFC 9113,
// section 5.3.2).
func (c *conn) priority(h frameHeader) error {
	if h.stream == 0 {
		return errStreamZero
	}
	if h.length != 5 {
		return streamError{codeFrameSize, "PRIORITY has five bytes"}
	}
	return c.patience.spend(costFrame)
}

// rstStream handles an RST_STREAM frame (RFC 9113, section 6.4).
func (c *conn) rstStream(h frameHeader, p []byte) error {
	switch {
	case h.stream == 0:
		return errStreamZero
	case c.idle(h.stream):
		return errIdle
	case h.length != 4:
		return errLength
	}
	if s := c.streams[h.stream]; s != nil {
		s.fail(resetError{Code(binary.BigEndian.Uint32(p))})
		c.remove(s, false)
		return c.patience.spend(costStream)
	}
	return c.patience.spend(costFrame)
}

// settings handles a SETTINGS frame (RFC 9113, section 6.5).
func (c *conn) settings(h frameHeader, p []byte) error {
	if h.stream != 0 {
		return errStreamNotZero
	}
	if h.has(flagAck) {
		if h.length != 0 {
			return errLength
		}
		c.acked = true
		return nil
	}
	if h.length%6 != 0 {
		return errLength
	}
	if err := c.patience.spend(h.length / 6); err != nil {
		return err
	}
	if !c.greeted { // what it does not mention is without limit
		c.greeted, c.peerMost = true, maxStreamID
		c.room.Broadcast()
	}
	for ; len(p) > 0; p = p[6:] {
		if err := c.setting(binary.BigEndian.Uint16(p), binary.BigEndian.Uint32(p[2:])); err != nil {
			return err
		}
	}
	c.out = appendFrame(c.out, frameSettings, flagAck, 0, 0)
	return c.answer()
}

func (c *conn) setting(id uint16, value uint32) error {
	switch id {
	case settingEnablePush:
		if value > 1 {
			return connError{codeProtocol, "SETTINGS_ENABLE_PUSH is 0 or 1"}
		}
	case settingMaxConcurrentStreams:
		c.peerMost = value
		c.room.Broadcast()
	case settingInitialWindowSize:
		if value > maxWindow {
			return connError{codeFlowControl, "SETTINGS_INITIAL_WINDOW_SIZE is too large"}
		}
		more := int(value) - c.peerWindow
		c.peerWindow = int(value)
		for _, s := range c.streams {
			if s.sendWindow += more; s.sendWindow > maxWindow {
				return connError{codeFlowControl, "SETTINGS_INITIAL_WINDOW_SIZE makes a window too large"}
			}
			s.cond.Broadcast()
		}
	case settingMaxFrameSize: // we send no larger frames than everybody takes
		if value < maxFrame || value > 1<<24-1 {
			return connError{codeProtocol, "SETTINGS_MAX_FRAME_SIZE is out of range"}
		}
	}
	return nil
}

// ping handles a PING frame (RFC 9113, section 6.7).
func (c *conn) ping(h frameHeader, p []byte) error {
	if h.stream != 0 {
		return errStreamNotZero
	}
	if h.length != 8 {
		return errLength
	}
	if h.has(flagAck) {
		c.side.pong([8]byte(p))
		return c.patience.spend(costFrame)
	}
	c.out = append(appendFrame(c.out, framePing, flagAck, 0, 8), p...)
	return c.answer()
}

// windowUpdate handles a WINDOW_UPDATE frame (RFC 9113, section 6.9).
func (c *conn) windowUpdate(h frameHeader, p []byte) error {
	if h.length != 4 {
		return errLength
	}
	n := int(binary.BigEndian.Uint32(p) & maxWindow)
	if h.stream == 0 {
		if n == 0 {
			return connError{codeProtocol, "WINDOW_UPDATE of 0"}
		}
		if c.sendWindow += n; c.sendWindow > maxWindow {
			return connError{codeFlowControl, "the connection's window became too large"}
		}
		c.room.Broadcast()
		return nil
	}
	if c.idle(h.stream) {
		return errIdle
	}
	s := c.streams[h.stream]
	if s == nil {
		return c.patience.spend(costFrame)
	}
	if n == 0 {
		return streamError{codeProtocol, "WINDOW_UPDATE of 0"}
	}
	if s.sendWindow += n; s.sendWindow > maxWindow {
		return streamError{codeFlowControl, "the stream's window became too large"}
	}
	s.cond.Broadcast()
	return nil
}
