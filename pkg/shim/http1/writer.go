package http1

import (
	"bytes"
	"io"
	"net"
	"strconv"
	"sync"

	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// writeSize is the size of a writer's buffer in bytes: what is smaller goes
// out in one piece with the head.
const writeSize = 8 << 10

var writePool = sync.Pool{New: func() any { return new([writeSize]byte) }}

// Writer buffers what goes to a connection: heads, and bodies in their
// framing. It has a buffer only while there is something in it. Its zero value
// is to be Reset. It is for one goroutine. After an error all of its methods
// fail.
type Writer struct {
	dst   io.Writer
	buf   []byte
	kind  Kind
	left  int64 // of a body with Length
	begun int   // where the head begins in buf
	lines int   // how many lines of the head were added
	sent  int64
	err   error
	vec   net.Buffers
	parts [3][]byte
}

// Reset makes w write to dst and forget what it had.
func (w *Writer) Reset(dst io.Writer) {
	w.Release()
	w.dst, w.kind, w.left, w.lines, w.sent, w.err = dst, None, 0, 0, 0, nil
}

// Release drops what is buffered.
func (w *Writer) Release() {
	if cap(w.buf) == writeSize {
		writePool.Put((*[writeSize]byte)(w.buf[:writeSize]))
	}
	w.buf = nil
}

func (w *Writer) buffer() []byte {
	if w.buf == nil {
		w.buf = writePool.Get().(*[writeSize]byte)[:0]
	}
	return w.buf
}

// Line begins a head by its first line, given in parts without its end.
func (w *Writer) Line(parts ...string) {
	b := w.buffer()
	w.begun, w.lines = len(b), 1
	for _, s := range parts {
		b = append(b, s...)
	}
	w.buf = append(b, "\r\n"...)
}

// Field adds a field to the head.
func (w *Writer) Field(name, value string) {
	b := append(w.buffer(), name...)
	b = append(b, ": "...)
	b = append(b, value...)
	w.buf = append(b, "\r\n"...)
	w.lines++
}

// Number adds a field with a number.
func (w *Writer) Number(name string, n int64) {
	b := append(w.buffer(), name...)
	b = append(b, ": "...)
	b = strconv.AppendInt(b, n, 10)
	w.buf = append(b, "\r\n"...)
	w.lines++
}

// Framing adds the field that says how the body ends.
func (w *Writer) Framing(f Framing) {
	switch f.Kind {
	case Length:
		w.Number("Content-Length", f.Length)
	case Chunked:
		w.Field("Transfer-Encoding", "chunked")
	}
}

// Begin ends the head and begins the body. With None what is written of a body
// is left out. Where a name or value that came from somewhere else than a
// parser has a line break in it, so that it would be read as more than one
// field, the head is dropped and the error is ErrLineBreak; another head may
// follow.
func (w *Writer) Begin(f Framing) error {
	if w.err != nil {
		return w.err
	}
	// Counting is quick, so that it can be done always.
	head := w.buffer()[w.begun:]
	if bytes.Count(head, []byte{'\n'}) != w.lines || bytes.Count(head, []byte{'\r'}) != w.lines || bytes.IndexByte(head, 0) >= 0 {
		w.buf = w.buf[:w.begun]
		return ErrLineBreak
	}
	w.buf = append(w.buf, "\r\n"...)
	w.kind, w.left = f.Kind, f.Length
	return nil
}

// Write is part of the body. What is larger than the buffer is not copied.
func (w *Writer) Write(p []byte) (int, error) {
	switch {
	case w.err != nil:
		return 0, w.err
	case w.kind == None || len(p) == 0:
		return len(p), nil
	case w.kind == Length:
		if int64(len(p)) > w.left {
			return 0, ErrTooLong
		}
		w.left -= int64(len(p))
	}
	b := w.buffer()
	const framing = 16 + 2 + 2 // of a chunk: size, CRLF and CRLF
	fits := len(p)+framing <= cap(b)-len(b)
	if w.kind == Chunked {
		b = strconv.AppendInt(b, int64(len(p)), 16)
		b = append(b, "\r\n"...)
	}
	if fits {
		b = append(b, p...)
		if w.kind == Chunked {
			b = append(b, "\r\n"...)
		}
		w.buf = b
		return len(p), nil
	}
	w.buf = b
	w.parts = [3][]byte{b, p, nil}
	if w.kind == Chunked {
		w.parts[2] = crlf
	}
	return len(p), w.send()
}

var crlf = []byte("\r\n")

// send writes the parts, at once where the connection can.
func (w *Writer) send() error {
	w.vec = w.parts[:]
	n, err := w.vec.WriteTo(w.dst)
	w.sent += n
	w.parts = [3][]byte{}
	w.err = err
	w.Release()
	return err
}

// Flush sends what is buffered.
func (w *Writer) Flush() error {
	if w.err != nil || len(w.buf) == 0 {
		return w.err
	}
	n, err := w.dst.Write(w.buf)
	w.sent += int64(n)
	w.err = err
	w.Release()
	return err
}

// End completes the body and sends what is buffered. Only a chunked body can
// have a trailer.
func (w *Writer) End(trailer message.Header) error {
	switch {
	case w.err != nil:
		return w.err
	case w.kind == Length && w.left > 0:
		return ErrTooShort
	case w.kind == Chunked:
		b := append(w.buffer(), "0\r\n"...)
		w.begun, w.lines = len(b), 0
		w.buf = b
		for _, f := range trailer {
			if !notInTrailer(f.Name) {
				w.Field(f.Name, f.Value)
			}
		}
		if w.Begin(Framing{}) != nil {
			w.buf = append(w.buf, "\r\n"...)
		}
	}
	w.kind = None
	return w.Flush()
}

// Left is the number of bytes of a body with a length that are to be written.
func (w *Writer) Left() int64 { return w.left }

// Sent is the number of bytes that went to the connection since Reset.
func (w *Writer) Sent() int64 { return w.sent }
