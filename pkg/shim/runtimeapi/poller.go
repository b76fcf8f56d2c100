package runtimeapi

import (
	"slices"
	"sync"

	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// poller is a GET next that waits for a call.
type poller struct {
	call chan *invocation // has room for one
}

// poll waits for a call and hands it over. The poller that asked first gets it.
func (a *API) poll(x message.Exchange) {
	p := &poller{call: make(chan *invocation, 1)}
	gone := make(chan struct{})
	x.OnGone(sync.OnceFunc(func() { close(gone) }))

	a.mu.Lock()
	if !a.seen {
		a.seen = true
		close(a.polled)
	}
	a.pollers = append(a.pollers, p)
	a.match()
	a.mu.Unlock()

	select {
	case inv := <-p.call:
		x.OnGone(nil)
		if !deliver(x, inv) {
			x.Abort()
			a.giveBack(inv)
		}
	case <-gone:
		a.drop(p)
		x.Abort()
	case <-a.ended:
		x.OnGone(nil)
		a.drop(p)
		x.Abort()
	}
}

// deliver answers the poll with inv. The program cannot have acted on it where
// that fails: the SDK reads the payload to its end first.
func deliver(x message.Exchange, inv *invocation) bool {
	if x.Head(message.Head{Status: 200, Header: inv.header, Length: inv.length}) != nil {
		return false
	}
	return inv.payload(x) == nil && x.End(nil) == nil
}

// drop takes a poller out that has gone. A call that it was just given goes to
// another one.
func (a *API) drop(p *poller) {
	a.mu.Lock()
	if i := slices.Index(a.pollers, p); i >= 0 {
		a.pollers = slices.Delete(a.pollers, i, i+1)
	}
	a.mu.Unlock()
	select {
	case inv := <-p.call:
		a.giveBack(inv)
	default:
	}
}

// giveBack puts a call that was not delivered before all others.
func (a *API) giveBack(inv *invocation) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if inv.left {
		delete(a.outstanding, inv.id)
		return
	}
	if a.outstanding[inv.id] == inv { // else it was answered all the same
		a.waiting = slices.Insert(a.waiting, 0, inv)
		a.match()
	}
}
