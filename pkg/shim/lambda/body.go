package lambda

import (
	"errors"
	"io"
	"sync/atomic"
)

var errBodyClosed = errors.New("the exchange has ended")

// body is the body of a request that is held whole.
type body struct {
	data   []byte
	closed atomic.Bool
}

// Read is part of message.Body.
func (b *body) Read(p []byte) (int, error) {
	if b.closed.Load() {
		return 0, errBodyClosed
	}
	if len(b.data) == 0 {
		return 0, io.EOF
	}
	n := copy(p, b.data)
	b.data = b.data[n:]
	return n, nil
}

// Buffered is part of message.Body.
func (b *body) Buffered() int { return len(b.data) }
