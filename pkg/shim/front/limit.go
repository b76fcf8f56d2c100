package front

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/imgbuild/imgbuild/pkg/fc"
	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// gate lets so many calls in at once and so many wait. nil places: no limit.
type gate struct {
	places, queue chan struct{}
}

func newGate(places, queue int) gate {
	if places == 0 {
		return gate{}
	}
	return gate{make(chan struct{}, places), make(chan struct{}, queue)}
}

// enter waits for a place. It fails at once where the queue is full, and when
// the client goes away or its time is over.
func (g gate) enter(c *call) *message.Failure {
	if g.places == nil {
		return nil
	}
	select {
	case g.places <- struct{}{}:
		return nil
	default:
	}
	select {
	case g.queue <- struct{}{}:
	default:
		return &message.Failure{Status: 429, Type: message.TooManyRequests,
			Message: fmt.Sprintf("%d requests are being answered and %d wait, which is the limit (SHIM_CONCURRENCY, SHIM_QUEUE)", cap(g.places), cap(g.queue))}
	}
	defer func() { <-g.queue }()
	gone := make(chan struct{})
	c.OnGone(sync.OnceFunc(func() { close(gone) }))
	defer c.OnGone(nil)
	select {
	case g.places <- struct{}{}:
		return nil
	case <-gone:
	}
	if c.timedOut.Load() {
		fail := timedOut(c.front.Timeout)
		fail.Lines = []string{} // the program wrote none for this call
		return fail
	}
	return &message.Failure{Status: 429, Type: message.TooManyRequests, Message: "the client went away while it waited for its turn"}
}

func (g gate) leave() {
	if g.places != nil {
		<-g.places
	}
}

func timedOut(d time.Duration) *message.Failure {
	return &message.Failure{Status: 504, Type: message.ProgramTimedOut, Message: fmt.Sprintf("the program did not answer within %s (SHIM_TIMEOUT)", d)}
}

func tooLarge(limit int64) *message.Failure {
	return &message.Failure{Status: 413, Type: message.BodyTooLarge, Message: fmt.Sprintf("the request's body is larger than %d bytes (SHIM_BODY_LIMIT)", limit)}
}

// limited says whether the request is over a limit that is known beforehand,
// and puts a counter before a body whose length is not.
func (f *Front) limited(c *call) *message.Failure {
	r := c.Request()
	switch {
	case f.BodyLimit == 0 || r.Body == nil:
	case r.Length > f.BodyLimit:
		return tooLarge(f.BodyLimit)
	case r.Length < 0:
		r.Body = &limitedBody{Body: r.Body, left: f.BodyLimit, call: c}
	}
	return nil
}

var errTooLarge = errors.New("the body is over the limit")

// limitedBody fails after so many bytes.
type limitedBody struct {
	message.Body
	left int64
	call *call
}

func (b *limitedBody) Read(p []byte) (int, error) {
	n, err := b.Body.Read(p)
	if b.left -= int64(n); b.left < 0 {
		b.call.tooLarge.Store(true)
		b.call.end()
		return 0, errTooLarge
	}
	return n, err
}

// warn says once each what works here and not on the platform.
func (f *Front) warn(c *call) {
	r := c.Request()
	if r.Length > fc.MaxBodyBytes {
		f.sayOnce("body", "a request had a body of %d bytes; Function Compute takes at most %d", r.Length, int64(fc.MaxBodyBytes))
	}
	if len(r.Target) > fc.MaxTargetBytes {
		f.sayOnce("target", "a request had a path and query of %d bytes; Function Compute takes at most %d", len(r.Target), fc.MaxTargetBytes)
	}
	size := 0
	for i := range r.Header {
		size += len(r.Header[i].Name) + len(r.Header[i].Value) + len(": \r\n")
	}
	if size > fc.MaxHeaderBytes {
		f.sayOnce("header", "a request had %d bytes of headers; Function Compute takes at most %d", size, fc.MaxHeaderBytes)
	}
}
