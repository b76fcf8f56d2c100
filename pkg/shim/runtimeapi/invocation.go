package runtimeapi

import (
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// invocation is one call as the program sees it. The fields below answered are
// guarded by the API's lock.
type invocation struct {
	id      string
	header  message.Header                // of the answer to the poll
	length  int64                         // of the payload, -1 where it is not known
	payload func(w io.Writer) (err error) // may be asked for more than once

	gone     <-chan struct{} // closed when the client has gone
	answered chan *answer    // has room for one
	left     bool            // nobody waits for the answer any more
}

// answer is a POST of the program's. Who gets it closes done when it needs the
// request's body no more.
type answer struct {
	request *message.Request
	failed  bool // it came to /error
	done    chan struct{}
}

// patience is how long the program may go on sending an answer whose client has
// gone.
const patience = time.Second

// wait waits for done, but once the client has gone not for long.
func (g *answer) wait(gone <-chan struct{}) bool {
	select {
	case <-g.done:
		return true
	case <-gone:
	}
	t := time.NewTimer(patience)
	defer t.Stop()
	select {
	case <-g.done:
		return true
	case <-t.C:
		return false
	}
}

// maxAbandoned bounds how many ids of calls are remembered whose client has
// gone, so that the program's late answer is not refused.
const maxAbandoned = 1024

// invoke hands inv to the program and waits for its answer. wanted is the id
// that it should have. gone tells that nobody waits any more.
func (a *API) invoke(inv *invocation, wanted string, gone <-chan struct{}) (*answer, error) {
	inv.answered, inv.gone = make(chan *answer, 1), gone
	a.mu.Lock()
	if a.failure != nil {
		defer a.mu.Unlock()
		return nil, a.failure
	}
	inv.id = a.freeID(wanted)
	inv.header.Set("x-fc-request-id", inv.id)
	a.outstanding[inv.id] = inv
	a.waiting = append(a.waiting, inv)
	a.match()
	a.mu.Unlock()

	select {
	case got := <-inv.answered:
		return got, nil
	case <-gone:
		a.leave(inv)
		return nil, message.ErrAborted
	case <-a.ended:
		select {
		case got := <-inv.answered: // its last act
			return got, nil
		default:
		}
		a.leave(inv)
		return nil, a.failure
	}
}

// freeID is wanted where the SDK can put it into a path and no other call has
// it; else one of our own.
func (a *API) freeID(wanted string) string {
	odd := func(c rune) bool {
		return (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && !strings.ContainsRune("-_.~:@=+", c)
	}
	if wanted != "" && wanted[0] != '.' && len(wanted) <= 128 && strings.IndexFunc(wanted, odd) < 0 && a.outstanding[wanted] == nil {
		return wanted
	}
	for {
		if id := fmt.Sprintf("shim-%016x", rand.Uint64()); a.outstanding[id] == nil {
			return id
		}
	}
}

// match gives waiting calls to waiting pollers. The lock is held.
func (a *API) match() {
	for len(a.waiting) > 0 && len(a.pollers) > 0 {
		a.pollers[0].call <- a.waiting[0]
		a.pollers, a.waiting = slices.Delete(a.pollers, 0, 1), slices.Delete(a.waiting, 0, 1)
	}
}

// leave is called when nobody waits for inv's answer any more.
func (a *API) leave(inv *invocation) {
	a.mu.Lock()
	defer a.mu.Unlock()
	inv.left = true
	select {
	case got := <-inv.answered: // it has just come
		close(got.done)
		return
	default:
	}
	if i := slices.Index(a.waiting, inv); i >= 0 {
		a.waiting = slices.Delete(a.waiting, i, i+1)
		delete(a.outstanding, inv.id)
		return
	}
	a.abandoned = append(a.abandoned, inv.id)
	if len(a.abandoned) > maxAbandoned {
		delete(a.outstanding, a.abandoned[0])
		a.abandoned = slices.Delete(a.abandoned, 0, 1)
	}
}

// answer takes the program's answer to the call id.
func (a *API) answer(x message.Exchange, id string, failed bool) {
	r := x.Request()
	a.mu.Lock()
	inv := a.outstanding[id]
	delete(a.outstanding, id)
	var got *answer
	switch {
	case inv == nil:
	case inv.left:
		if i := slices.Index(a.abandoned, id); i >= 0 {
			a.abandoned = slices.Delete(a.abandoned, i, i+1)
		}
	default:
		got = &answer{request: r, failed: failed, done: make(chan struct{})}
		inv.answered <- got
	}
	a.mu.Unlock()

	if got != nil && !got.wait(inv.gone) {
		x.Abort() // so that who reads the body does not wait any longer
		return
	}
	if r.Body != nil {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			x.Abort()
			return
		}
	}
	if inv == nil {
		refuse(x, 404, "InvocationNotFound", "there is no call "+id+", or it was answered before")
		return
	}
	message.Answer(x, 200, nil, nil)
}
