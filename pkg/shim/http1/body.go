package http1

import (
	"io"

	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// Body reads a body off a connection and takes its framing away. It holds no
// more than the Reader's buffer. Its zero value is to be Reset.
type Body struct {
	src   *Reader
	kind  Kind
	left  int64 // bytes that are left of the body, or of the chunk
	state chunkState
	spare int // bytes of chunk framing that are still allowed beyond the usual
	// trailer is filled in when a chunked body has ended.
	trailer      message.Header
	trailerLimit int
	err          error // once there is one it stays; io.EOF at the end
}

// Reset begins the body that follows a head with that framing. trailerLimit is
// the largest size of a trailer section in bytes.
func (b *Body) Reset(src *Reader, f Framing, trailerLimit int) {
	*b = Body{src: src, kind: f.Kind, left: f.Length, spare: chunkSpare, trailer: b.trailer[:0], trailerLimit: trailerLimit}
	switch {
	case f.Kind == None || f.Kind == Length && f.Length == 0:
		b.err = io.EOF
	case f.Kind == Chunked:
		b.left = 0
	}
}

// Read returns io.ErrUnexpectedEOF where the connection ends before the body,
// and an *Error where the chunks are wrong.
func (b *Body) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for b.err == nil && b.kind == Chunked && b.left == 0 {
		if !b.frame() {
			b.fail(b.src.Fill())
		}
	}
	if b.err != nil {
		return 0, b.err
	}
	if b.kind != UntilClose && int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.src.Read(p)
	if b.kind == UntilClose {
		b.err = err
		return n, err
	}
	b.left -= int64(n)
	b.fail(err)
	if b.left == 0 && b.kind == Length {
		b.err = io.EOF
	}
	if n > 0 {
		return n, nil
	}
	return 0, b.err
}

// fail keeps an error of the connection. One that may be over later, a time
// limit, is kept as well: whoever set the limit gives up on the body.
func (b *Body) fail(err error) {
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil && b.err == nil {
		b.err = err
	}
}

// Buffered is the number of bytes of the body that Read has at hand.
func (b *Body) Buffered() int {
	for b.err == nil && b.kind == Chunked && b.left == 0 && b.frame() {
	}
	n := b.src.Buffered()
	switch {
	case b.err != nil:
		return 0
	case b.kind != UntilClose && int64(n) > b.left:
		return int(b.left)
	}
	return n
}

// Done says whether the body was read to its end, so that the connection is at
// the next message. For a chunked body it looks no further than what is at
// hand.
func (b *Body) Done() bool {
	b.Buffered()
	return b.err == io.EOF && b.kind != UntilClose
}

// Err is the error that ended the body, io.EOF at its proper end, nil before.
func (b *Body) Err() error { return b.err }

// Left is the number of bytes that are still to come, -1 if that is not known.
func (b *Body) Left() int64 {
	switch {
	case b.err == io.EOF:
		return 0
	case b.kind == Length:
		return b.left
	}
	return -1
}

// Trailer is the fields after the body, once Read has returned io.EOF. Fields
// that say how a message is framed, routed or secured are not among them (RFC
// 9110, section 6.5.1).
func (b *Body) Trailer() message.Header { return b.trailer }
