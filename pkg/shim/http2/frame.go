package http2

import (
	"encoding/binary"
	"io"
)

// preface is what a client sends first (RFC 9113, section 3.4).
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// A frame's type (RFC 9113, section 6).
type frameType uint8

const (
	frameData         frameType = 0
	frameHeaders      frameType = 1
	framePriority     frameType = 2
	frameRSTStream    frameType = 3
	frameSettings     frameType = 4
	framePushPromise  frameType = 5
	framePing         frameType = 6
	frameGoAway       frameType = 7
	frameWindowUpdate frameType = 8
	frameContinuation frameType = 9
)

// Flags of frames. END_STREAM and ACK are the same bit in different types.
const (
	flagEndStream  = 0x1
	flagAck        = 0x1
	flagEndHeaders = 0x4
	flagPadded     = 0x8
	flagPriority   = 0x20
)

// Parameters of SETTINGS (RFC 9113, section 6.5.2).
const (
	settingHeaderTableSize      = 1
	settingEnablePush           = 2
	settingMaxConcurrentStreams = 3
	settingInitialWindowSize    = 4
	settingMaxFrameSize         = 5
	settingMaxHeaderListSize    = 6
)

const (
	frameHeaderLen = 9
	// maxFrame is the longest payload that we take and send; every peer has
	// to take it (RFC 9113, section 4.2).
	maxFrame = 16384
	// firstWindow is each window's size before SETTINGS (section 6.9.2).
	firstWindow = 65535
	maxWindow   = 1<<31 - 1
	maxStreamID = 1<<31 - 1
)

// frameHeader is the nine bytes before each payload (RFC 9113, section 4.1).
type frameHeader struct {
	length int
	kind   frameType
	flags  uint8
	stream uint32
}

func (h frameHeader) has(flag uint8) bool { return h.flags&flag != 0 }

// appendFrame appends the header of a frame whose payload of that length
// follows.
func appendFrame(b []byte, kind frameType, flags uint8, stream uint32, length int) []byte {
	return append(b, byte(length>>16), byte(length>>8), byte(length), byte(kind), flags,
		byte(stream>>24), byte(stream>>16), byte(stream>>8), byte(stream))
}

func appendSetting(b []byte, id uint16, value uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint16(b, id), value)
}

func appendWindowUpdate(b []byte, stream uint32, n int) []byte {
	return binary.BigEndian.AppendUint32(appendFrame(b, frameWindowUpdate, 0, stream, 4), uint32(n))
}

func appendReset(b []byte, stream uint32, code Code) []byte {
	return binary.BigEndian.AppendUint32(appendFrame(b, frameRSTStream, 0, stream, 4), uint32(code))
}

func appendGoAway(b []byte, last uint32, code Code, why string) []byte {
	b = appendFrame(b, frameGoAway, 0, 0, 8+len(why))
	b = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(b, last), uint32(code))
	return append(b, why...)
}

// appendHeaders appends a header block as HEADERS and as many CONTINUATION
// frames as it takes.
func appendHeaders(b []byte, stream uint32, block []byte, endStream bool) []byte {
	kind, flags := frameHeaders, uint8(0)
	if endStream {
		flags = flagEndStream
	}
	for {
		part := block[:min(len(block), maxFrame)]
		block = block[len(part):]
		if len(block) == 0 {
			flags |= flagEndHeaders
		}
		b = append(appendFrame(b, kind, flags, stream, len(part)), part...)
		if len(block) == 0 {
			return b
		}
		kind, flags = frameContinuation, 0
	}
}

// frameReader cuts a connection's bytes into frames.
type frameReader struct {
	src  io.Reader
	buf  []byte // has room for any frame
	r, w int    // buf[r:w] was read, but not taken
}

func newFrameReader(src io.Reader, start []byte) *frameReader {
	f := &frameReader{src: src, buf: make([]byte, max(2*maxFrame, len(start)))}
	f.w = copy(f.buf, start)
	return f
}

// peek returns the next n bytes, which stay to be taken. They are valid until
// the next call.
func (f *frameReader) peek(n int) ([]byte, error) {
	if f.w-f.r < n && len(f.buf)-f.r < n {
		f.w = copy(f.buf, f.buf[f.r:f.w])
		f.r = 0
	}
	for f.w-f.r < n {
		m, err := f.src.Read(f.buf[f.w:])
		f.w += m
		if err != nil && f.w-f.r < n {
			if err == io.EOF && f.w > f.r {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
	return f.buf[f.r : f.r+n], nil
}

func (f *frameReader) take(n int) {
	if f.r += n; f.r == f.w {
		f.r, f.w = 0, 0
	}
}

// preface takes the client's connection preface.
func (f *frameReader) preface() error {
	b, err := f.peek(len(preface))
	if err != nil {
		return err
	}
	if string(b) != preface {
		return connError{codeProtocol, "this is not the preface of HTTP/2"}
	}
	f.take(len(preface))
	return nil
}

// header takes the next frame's header.
func (f *frameReader) header() (frameHeader, error) {
	b, err := f.peek(frameHeaderLen)
	if err != nil {
		return frameHeader{}, err
	}
	h := frameHeader{
		length: int(b[0])<<16 | int(b[1])<<8 | int(b[2]),
		kind:   frameType(b[3]),
		flags:  b[4],
		stream: binary.BigEndian.Uint32(b[5:]) & maxStreamID,
	}
	if h.length > maxFrame {
		return h, connError{codeFrameSize, "a frame is longer than SETTINGS_MAX_FRAME_SIZE"}
	}
	f.take(frameHeaderLen)
	return h, nil
}

// payload takes a frame's payload, which is valid until the next call.
func (f *frameReader) payload(h frameHeader) ([]byte, error) {
	b, err := f.peek(h.length)
	if err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	f.r += h.length // not take: b must stay
	return b, nil
}

// unpad takes the padding off a payload of DATA or HEADERS (RFC 9113, section
// 6.1).
func unpad(h frameHeader, p []byte) ([]byte, error) {
	if !h.has(flagPadded) {
		return p, nil
	}
	if len(p) == 0 {
		return nil, connError{codeFrameSize, "a padded frame has no pad length"}
	}
	if n := int(p[0]); n < len(p) {
		return p[1 : len(p)-n], nil
	}
	return nil, connError{codeProtocol, "the padding is longer than the frame"}
}
