package http2

import "sync"

// chunk is a piece of a body that waits in memory.
type chunk struct {
	b    [maxFrame]byte
	r, w int // b[r:w] waits
	next *chunk
}

var chunks = sync.Pool{New: func() any { return new(chunk) }}

func newChunk() *chunk {
	k := chunks.Get().(*chunk)
	k.r, k.w, k.next = 0, 0, nil
	return k
}

// buffer is a queue of bytes. The window bounds it.
type buffer struct {
	first, last *chunk
	len         int
}

// write appends p.
func (b *buffer) write(p []byte) {
	b.len += len(p)
	for len(p) > 0 {
		if b.last == nil || b.last.w == len(b.last.b) {
			k := newChunk()
			if b.last == nil {
				b.first = k
			} else {
				b.last.next = k
			}
			b.last = k
		}
		n := copy(b.last.b[b.last.w:], p)
		b.last.w += n
		p = p[n:]
	}
}

// read takes up to len(p) bytes.
func (b *buffer) read(p []byte) int {
	n := 0
	for n < len(p) && b.first != nil {
		k := b.first
		m := copy(p[n:], k.b[k.r:k.w])
		k.r += m
		n += m
		if k.r == k.w {
			b.drop()
		}
	}
	b.len -= n
	return n
}

func (b *buffer) drop() {
	k := b.first
	if b.first = k.next; b.first == nil {
		b.last = nil
	}
	chunks.Put(k)
}

// clear takes everything and says how much it was.
func (b *buffer) clear() int {
	n := b.len
	for b.first != nil {
		b.drop()
	}
	b.len = 0
	return n
}
