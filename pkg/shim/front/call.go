package front

import (
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/imgbuild/imgbuild/pkg/fc"
	"github.com/imgbuild/imgbuild/pkg/shim/clock"
	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// call is one exchange on its way through the front. It changes the answer to
// what the platform expects.
type call struct {
	message.Exchange
	front *Front
	kind  fc.Call
	id    string
	// platform: the platform itself, or an emulator of it, made the call.
	platform bool
	began    time.Time

	status   int  // of the answer, 0 while there is none
	failed   bool // as the End line says it
	replaced bool // the program's answer to a hook is left out
	upgraded bool

	timedOut, tooLarge atomic.Bool

	mu   sync.Mutex
	gone func() // the backend's, to be called when the call must end
}

// Head applies the rules for an answer's status and header.
func (c *call) Head(h message.Head) error {
	own := h.Header.Get(fc.HeaderStatus)
	if c.kind.Hook() && own == "" && unknownHook(h.Status) && !c.front.PassHooks {
		c.front.sayOnce(c.kind.Path(), "the program does not know %s (it answered %d), which is taken for success; SHIM_HOOK_404=pass lets its answer through", c.kind.Path(), h.Status)
		c.replaced = true
		h = message.Head{Status: 200}
	}
	h.Header = c.strip(h.Header)
	if own == "" && c.kind.Event() {
		own = "200"
		if limit := c.front.ErrorFrom; limit > 0 && h.Status >= limit && !(c.kind.Hook() && h.Status == 404) {
			own = "404"
		}
	}
	if own != "" {
		h.Header.Add(fc.HeaderStatus, own)
	}
	c.failed = c.kind.Event() && own != "200"
	c.status = h.Status
	return c.Exchange.Head(h)
}

// unknownHook says whether a status is that of a server which has no such
// path, or not for that method.
func unknownHook(status int) bool { return status == 404 || status == 405 || status == 501 }

// strip takes off what the platform keeps for itself. Some of it is of use to
// other callers: it is taken off only for the platform.
func (c *call) strip(h message.Header) message.Header {
	kept := h[:0]
	for _, f := range h {
		if fc.Reserved(f.Name, f.Value) && (c.platform || !message.Same(f.Name, "date") && !message.Same(f.Name, "content-disposition")) {
			continue
		}
		kept = append(kept, f)
	}
	return kept
}

// Write leaves out the body of an answer that was replaced.
func (c *call) Write(p []byte) (int, error) {
	if c.replaced {
		return len(p), nil
	}
	return c.Exchange.Write(p)
}

// End completes the answer.
func (c *call) End(trailer message.Header) error {
	if c.replaced {
		trailer = nil
	}
	return c.Exchange.End(trailer)
}

// Abort breaks the answer off, which counts as failed.
func (c *call) Abort() {
	c.failed = c.failed || c.status != 0
	c.Exchange.Abort()
}

// Upgrade hands the connection over. The time-out ends there.
func (c *call) Upgrade() (net.Conn, error) {
	c.upgraded = true
	return c.Exchange.Upgrade()
}

// OnGone keeps f also for the limits of time and size, so that it may be called
// more than once.
func (c *call) OnGone(f func()) {
	c.mu.Lock()
	c.gone = f
	late := f != nil && c.timedOut.Load()
	c.mu.Unlock()
	c.Exchange.OnGone(f)
	if late {
		f()
	}
}

// limitTime ends the call after d, unless stop is called before. Time in which
// the container is frozen does not count.
func (c *call) limitTime(d time.Duration) (stop func()) {
	if d == 0 {
		return func() {}
	}
	return clock.AfterFunc(d, func() {
		c.timedOut.Store(true)
		c.end()
	})
}

// end has the backend give up.
func (c *call) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone != nil {
		c.gone()
	}
}

// fail answers in the program's place, if nothing was answered yet.
func (c *call) fail(f *message.Failure) {
	c.failed = true
	if c.status != 0 {
		c.Exchange.Abort()
		return
	}
	c.front.Metrics.fail(f.Type)
	answer := *f
	answer.RequestID = c.id
	if answer.Lines == nil && carriesLines(f.Type) && c.front.ErrorLines > 0 {
		answer.Lines = c.front.Log.Tail()
	}
	answer.Lines = slices.Clone(answer.Lines[max(0, len(answer.Lines)-c.front.ErrorLines):])
	for i, line := range answer.Lines {
		answer.Lines[i] = c.front.Log.Masked(line)
	}
	h := message.Header{{Name: "Content-Type", Value: "application/json"}}
	if c.kind.Event() {
		h.Add(fc.HeaderStatus, "404")
	}
	if f.Status == 429 || f.Status == 503 {
		h.Add("Retry-After", strconv.Itoa(1))
	}
	c.status = f.Status
	message.Answer(c.Exchange, f.Status, h, answer.JSON())
}

// carriesLines says whether the program's last lines may say why.
func carriesLines(kind string) bool {
	switch kind {
	case message.TooManyRequests, message.BodyTooLarge, message.Stopping, message.BadRequest:
		return false
	}
	return true
}
