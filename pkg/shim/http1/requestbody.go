package http1

import (
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// drainLimit is how much of a body that the handler left unread is read
	// for the connection to go on, in bytes, and drainTime for how long.
	drainLimit = 256 << 10
	drainTime  = 5 * time.Second
)

// errBodyClosed is what Read returns after the exchange.
var errBodyClosed = errors.New("the request's body was closed")

// requestBody is a Body that may be read by another goroutine than the
// exchange's, and by one that does not notice the exchange's end.
type requestBody struct {
	mu     sync.Mutex // held while reading
	x      *exchange
	raw    Body
	closed atomic.Bool

	expect  sync.Mutex // orders 100 before the answer
	waiting bool       // the client waits for 100
}

func newRequestBody(x *exchange, f Framing) *requestBody {
	b := &requestBody{x: x, waiting: x.req.Expect}
	b.raw.Reset(&x.c.in, f, x.c.srv.headerLimit())
	return b
}

// Read is part of message.Body.
func (b *requestBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed.Load() {
		return 0, errBodyClosed
	}
	if b.x.req.Expect {
		b.proceed(true)
	}
	n, err := b.raw.Read(p)
	if err == io.EOF {
		b.x.req.Trailer = b.raw.Trailer()
	} else if err != nil && b.closed.Load() {
		err = errBodyClosed
	}
	return n, err
}

// proceed says whether the client was waiting for 100, and may have it sent.
// No other answer begins before that is done.
func (b *requestBody) proceed(send bool) bool {
	if !b.x.req.Expect {
		return false
	}
	b.expect.Lock()
	defer b.expect.Unlock()
	if !b.waiting {
		return false
	}
	b.waiting = false
	if b.x.c.in.Buffered() > 0 { // it did not wait
		return false
	}
	if send {
		_, _ = b.x.c.nc.Write([]byte("HTTP/1.1 100 Continue\r\n\r\n"))
	}
	return true
}

// Buffered is part of message.Body.
func (b *requestBody) Buffered() int {
	if !b.mu.TryLock() {
		return 0 // it is being waited for
	}
	defer b.mu.Unlock()
	if b.closed.Load() {
		return 0
	}
	return b.raw.Buffered()
}

// stop takes the connection back from whoever reads the body.
func (b *requestBody) stop() {
	b.closed.Store(true)
	if !b.mu.TryLock() {
		_ = b.x.c.nc.SetReadDeadline(time.Unix(1, 0))
		b.mu.Lock()
		_ = b.x.c.nc.SetReadDeadline(time.Time{})
		if errors.Is(b.raw.err, os.ErrDeadlineExceeded) {
			b.raw.err = nil // nothing was lost
		}
	}
	b.mu.Unlock()
}

// drain reads what the handler left, after stop. It is false where the
// connection cannot be used on; keep is false where it will not be anyway.
func (b *requestBody) drain(keep bool) bool {
	switch {
	case b.raw.Done():
		return true
	case b.raw.Err() != nil || !keep || b.raw.Left() > drainLimit:
		return false
	}
	_ = b.x.c.nc.SetReadDeadline(time.Now().Add(drainTime))
	if _, _ = io.CopyN(io.Discard, &b.raw, drainLimit); !b.raw.Done() {
		return false
	}
	_ = b.x.c.nc.SetReadDeadline(time.Time{})
	return true
}
