package emulator

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/imgbuild/imgbuild/pkg/fc"
)

// call is one on its way to the function and back.
type call struct {
	e    *Emulator
	kind fc.Call
	id   string

	// What is known once it has come to an instance.
	instance *instance
	cold     bool
	cut      *cut
	begun    time.Time
	took     time.Duration // with the answer's body
	memory   atomic.Int64  // bytes

	timedOut atomic.Bool
	refused  *Error // the answer of the platform's own, of an HTTP trigger
}

func (e *Emulator) newCall(kind fc.Call) *call { return &call{e: e, kind: kind, id: newID()} }

// again are the methods that the platform sends once more where the connection
// ended without an answer ("Custom runtime: error handling").
var again = map[string]bool{http.MethodGet: true, http.MethodHead: true, http.MethodOptions: true, http.MethodTrace: true}

// attempts are how often such a call is sent in all.
const attempts = 3

// RoundTrip sends a request to an instance. Errors of the function are *Error.
// The place in the instance is given back when the answer's body has been read
// or closed.
func (c *call) RoundTrip(req *http.Request) (*http.Response, error) {
	for n := 1; ; n++ {
		res, err := c.try(req)
		if !errors.Is(err, errConnection) {
			return res, err
		}
		if n == attempts || !again[req.Method] || req.Body != nil && req.Body != http.NoBody {
			return nil, c.failed(exited(c.fate()))
		}
	}
}

// errConnection is of a connection that ended without an answer.
var errConnection = errors.New("the connection ended without an answer")

func (c *call) try(req *http.Request) (*http.Response, error) {
	i, cold, err := c.e.take(req.Context())
	if err != nil {
		return nil, c.failed(err)
	}
	c.instance, c.cold = i, cold
	if c.cut != nil {
		i.log.finish(c.cut, false)
	}
	c.cut = i.log.begin(c.kind, c.id)
	ctx, cancel := context.WithCancelCause(req.Context())
	stop := context.AfterFunc(c.e.running, func() { cancel(errClosed) })
	c.begun = time.Now()
	timer := time.AfterFunc(c.e.function.Timeout, func() {
		c.timedOut.Store(true)
		c.memory.Store(i.run.Memory())
		cancel(errors.New("the function's time is up"))
		c.e.retire(i) // the platform ends the instance
	})
	var once sync.Once
	done := func() {
		once.Do(func() {
			timer.Stop()
			if c.took = time.Since(c.begun); !c.timedOut.Load() {
				c.memory.Store(i.run.Memory())
			}
			stop()
			cancel(nil)
			c.e.release(i)
		})
	}
	out := req.Clone(ctx)
	c.e.tell(out.Header, c.kind, c.id)
	res, err := i.client.RoundTrip(out)
	if err == nil {
		c.e.learn(i, true)
		if res.StatusCode == http.StatusSwitchingProtocols {
			// The connection is the caller's; nobody else looks at the time.
			conn := res.Body
			context.AfterFunc(ctx, func() { conn.Close() })
		}
		res.Body = answer(res.Body, done)
		return res, nil
	}
	lost := ctx.Err() == nil
	cause := context.Cause(ctx)
	if lost && i.gone(req.Context()) {
		c.e.retire(i)
	}
	done()
	switch {
	case c.timedOut.Load():
		return nil, c.failed(timedOut(c.e.function.Timeout, c.memory.Load()))
	case as(cause) != nil: // the caller's body was no good
		return nil, c.failed(cause)
	case !lost:
		return nil, cause
	case as(err) != nil:
		return nil, c.failed(err)
	}
	return nil, errConnection
}

// How long it may take until the end of a program is seen after that of its
// connections: of one that still takes connections, and of one that does not.
const (
	exitPatience = 100 * time.Millisecond
	deafPatience = 5 * time.Second
)

// gone says whether the program has ended, as one of its connections has.
func (i *instance) gone(ctx context.Context) bool {
	if within(i.run.Done(), exitPatience) {
		return true
	}
	// It lives, or the machine is busy.
	ctx, cancel := context.WithTimeout(ctx, deafPatience)
	defer cancel()
	conn, err := i.run.Dial(ctx)
	if err == nil {
		conn.Close()
		return false
	}
	select {
	case <-i.run.Done():
	case <-ctx.Done():
	}
	return isClosed(i.run.Done())
}

// fate says how the instance has ended, where it has.
func (c *call) fate() string {
	i := c.instance
	if i == nil || !isClosed(i.run.Done()) {
		return ""
	}
	if code := i.run.Code(); code > 128 {
		return " (signal " + strconv.Itoa(code-128) + ")" + i.outOfMemory()
	}
	return " (exit code " + strconv.Itoa(i.run.Code()) + ")"
}

// failed puts the request's id into an error of the platform's.
func (c *call) failed(err error) error {
	if e := as(err); e != nil {
		with := *e
		with.RequestID = c.id
		return &with
	}
	return err
}

// answer calls done when the body has ended or is closed. That of a connection
// that becomes another protocol's can also be written to.
func answer(b io.ReadCloser, done func()) io.ReadCloser {
	a := &body{b, done}
	if w, ok := b.(io.Writer); ok {
		return struct {
			*body
			io.Writer
		}{a, w}
	}
	return a
}

type body struct {
	io.ReadCloser
	done func()
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.done()
	}
	return n, err
}

func (b *body) Close() error {
	defer b.done()
	return b.ReadCloser.Close()
}
