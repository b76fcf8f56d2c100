// Package front is what every call passes on its way to the program and back:
// its id and kind, the limits, the platform's log lines, the rules for the
// answer's headers and status, and an answer where the program gives none.
//
//	http1, http2, lambda → Front → message.Backend (relay, runtimeapi, once)
package front

import (
	"errors"
	"sync"
	"time"

	"github.com/imgbuild/imgbuild/pkg/fc"
	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// Log is where the platform's lines and the shim's own go.
type Log interface {
	// Begin and End write the lines around a call.
	Begin(call fc.Call, id string)
	End(call fc.Call, id string, failed bool)
	// Say writes one line for people.
	Say(format string, args ...any)
	// Tail is the last lines that the program wrote.
	Tail() []string
	// Hide keeps the secrets of a request's header out of the log; Masked
	// takes them out of a text.
	Hide(h message.Header)
	Masked(text string) string
}

// Options say what a Front does.
type Options struct {
	// Backend answers calls. It is asked for each one, because a program may
	// turn out to be of another kind than it seemed.
	Backend func() message.Backend
	Log     Log
	// Timeout, Concurrency, Queue and BodyLimit (bytes) are off at 0.
	Timeout            time.Duration
	Concurrency, Queue int
	BodyLimit          int64
	// PassHooks lets a program's 404, 405 or 501 to a hook through.
	PassHooks bool
	// ErrorFrom is the HTTP status from which an event has failed; 0: never.
	ErrorFrom int
	// ErrorLines is how many of the program's last lines an error carries.
	ErrorLines int
}

// Front is the message.Handler of everything that calls the program.
type Front struct {
	Options
	Metrics Metrics

	gate gate
	busy inflight
	once sync.Map // what was said once
}

// New makes a Front.
func New(o Options) *Front {
	return &Front{Options: o, gate: newGate(o.Concurrency, o.Queue)}
}

// lambdaDeadline is in every call that came from AWS Lambda, and in no other.
const lambdaDeadline = "Lambda-Runtime-Deadline-Ms"

// Serve answers one call.
func (f *Front) Serve(x message.Exchange) {
	r := x.Request()
	control := r.Header.Get(fc.HeaderControlPath)
	c := &call{
		Exchange: x, front: f,
		kind: fc.CallOf(control, r.Method, r.Path()),
		// On Lambda the control path is the shim's own doing.
		platform: control != "" && !r.Header.Has(lambdaDeadline),
		began:    time.Now(),
	}
	c.id = requestID(r)
	f.Log.Hide(r.Header)
	f.Metrics.begin()
	defer f.Metrics.end(c)
	if c.kind == fc.PreStop {
		f.busy.waitIdle(preStopPatience)
	} else if !c.kind.Hook() {
		f.busy.add()
		defer f.busy.done()
		f.warn(c)
	}
	f.Log.Begin(c.kind, c.id)
	defer func() { f.Log.End(c.kind, c.id, c.failed) }()
	if fail := f.limited(c); fail != nil {
		c.fail(fail)
		return
	}
	f.answer(c)
}

// answer has the backend answer c, within the concurrency and the time-out,
// which begins before the call waits for its turn.
func (f *Front) answer(c *call) {
	stop := c.limitTime(f.Timeout)
	defer stop()
	if !c.kind.Hook() {
		if fail := f.gate.enter(c); fail != nil {
			c.fail(fail)
			return
		}
		defer f.gate.leave()
	}
	err := f.Backend().Do(c)
	stop()
	var fail *message.Failure
	switch {
	case err == nil:
	case c.timedOut.Load():
		late := timedOut(f.Timeout)
		if errors.As(err, &fail) {
			late.Lines = fail.Lines
		}
		c.fail(late)
	case c.tooLarge.Load():
		c.fail(tooLarge(f.BodyLimit))
	case errors.Is(err, message.ErrAborted):
		c.Abort()
	case errors.As(err, &fail):
		c.fail(fail)
	default:
		c.fail(&message.Failure{Status: 502, Type: message.ProgramClosedConnection, Message: err.Error()})
	}
}

// sayOnce writes a line the first time that key comes.
func (f *Front) sayOnce(key, format string, args ...any) {
	if _, said := f.once.LoadOrStore(key, true); !said {
		f.Log.Say(format, args...)
	}
}
