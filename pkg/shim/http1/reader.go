package http1

import (
	"bytes"
	"io"
	"sync"
)

// readSize is the size of a reader's buffer in bytes, as long as nothing
// larger has to fit in.
const readSize = 4 << 10

var readPool = sync.Pool{New: func() any { return new([readSize]byte) }}

// Reader buffers what comes from a connection. Its zero value is to be Reset.
// It is for one goroutine.
type Reader struct {
	src  io.Reader
	buf  []byte
	r, w int // buf[r:w] is what was received and not yet taken
	scan int // there is no end of a head before buf[scan]
}

// Reset makes r read from src and forget what it had.
func (r *Reader) Reset(src io.Reader) { r.src, r.r, r.w, r.scan = src, 0, 0, 0 }

// Release gives the buffer back. What it held is lost; r may be used on.
func (r *Reader) Release() {
	if len(r.buf) == readSize {
		readPool.Put((*[readSize]byte)(r.buf))
	}
	r.buf, r.r, r.w, r.scan = nil, 0, 0, 0
}

// Buffered is the number of bytes at hand.
func (r *Reader) Buffered() int { return r.w - r.r }

// Peek is what is at hand. It is valid until the next call.
func (r *Reader) Peek() []byte { return r.buf[r.r:r.w] }

// Discard takes n bytes, at most Buffered.
func (r *Reader) Discard(n int) {
	r.r += n
	r.scan = r.r
	if r.r == r.w {
		r.r, r.w, r.scan = 0, 0, 0
	}
}

// Fill waits for more bytes, at least one, and makes room for them where there
// is none.
func (r *Reader) Fill() error {
	switch {
	case r.r == r.w && len(r.buf) != readSize: // none yet, or one that grew for a head
		r.r, r.w, r.scan = 0, 0, 0
		r.buf = readPool.Get().(*[readSize]byte)[:]
	case r.w == len(r.buf) && r.r > 0:
		r.scan -= r.r
		r.w = copy(r.buf, r.buf[r.r:r.w])
		r.r = 0
	case r.w == len(r.buf):
		grown := make([]byte, 2*len(r.buf))
		copy(grown, r.buf)
		if len(r.buf) == readSize {
			readPool.Put((*[readSize]byte)(r.buf))
		}
		r.buf = grown
	}
	for range 100 { // io.Reader allows it to give nothing, but not for ever
		n, err := r.src.Read(r.buf[r.w:])
		r.w += n
		if n > 0 {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// Read gives what is at hand first, and then reads straight into p where p is
// not small.
func (r *Reader) Read(p []byte) (int, error) {
	if r.r == r.w {
		if len(p) >= readSize/4 {
			return r.src.Read(p)
		}
		if err := r.Fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.buf[r.r:r.w])
	r.Discard(n)
	return n, nil
}

// Head takes a whole head, up to and with the empty line that ends it; limit
// is its largest size in bytes. The error is io.EOF where the connection ended
// before the first byte.
func (r *Reader) Head(limit int) (string, error) {
	for {
		if head, ok, err := r.head(limit); ok || err != nil {
			return head, err
		}
		if err := r.Fill(); err != nil {
			if err == io.EOF && r.Buffered() > 0 {
				err = errIncomplete
			}
			return "", err
		}
	}
}

// head is Head without waiting: ok says that the head is all there. A head is
// cut by a bare LF as well; those who parse it judge that.
func (r *Reader) head(limit int) (head string, ok bool, err error) {
	for {
		i := bytes.IndexByte(r.buf[r.scan:r.w], '\n')
		if i < 0 {
			r.scan = r.w
			break
		}
		end := r.scan + i + 1
		if end < r.w && r.buf[end] == '\r' {
			end++
		}
		if end == r.w { // what follows is not there yet
			r.scan += i
			break
		}
		if r.buf[end] != '\n' {
			r.scan = end
			continue
		}
		end++
		if end-r.r > limit {
			return "", false, errHeadTooLarge
		}
		head = string(r.buf[r.r:end])
		r.Discard(len(head))
		return head, true, nil
	}
	if r.Buffered() >= limit {
		return "", false, errHeadTooLarge
	}
	return "", false, nil
}
