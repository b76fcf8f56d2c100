package runtimeapi

import (
	"io"
	"sync"
	"time"

	"github.com/imgbuild/imgbuild/pkg/fc"
	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// Do hands x to the program and makes its answer the answer of x. The request
// id is the request's x-fc-request-id, and one of the API's own where that is
// absent, odd, or of another call that is under way. When the function that was
// given to OnGone is called, Do soon returns message.ErrAborted; it has aborted
// x itself only where an answer was begun.
func (a *API) Do(x message.Exchange) error {
	r := x.Request()
	gone := make(chan struct{})
	x.OnGone(sync.OnceFunc(func() { close(gone) }))
	defer x.OnGone(nil)

	call := callOf(r)
	body, err := a.payload(r, gone)
	if err != nil {
		return err
	}
	defer a.release(&body)

	form := a.currentForm()
	for {
		got, err := a.invoke(a.invocation(r, call, form, body.data), r.Header.Get(fc.HeaderRequestID), gone)
		if err != nil {
			return err
		}
		if !got.failed {
			a.release(&body)
			return orAborted(a.succeed(x, call, got, gone), gone)
		}
		e, err := readError(got)
		if err != nil {
			return orAborted(err, gone)
		}
		if form != inParams && e.wantsParams() {
			a.learn(inParams)
			form = inParams
			continue
		}
		return e.answer(x, call)
	}
}

// orAborted is err, but where the client has gone what failed is of its making.
func orAborted(err error, gone <-chan struct{}) error {
	select {
	case <-gone:
		if err != nil {
			return message.ErrAborted
		}
	default:
	}
	return err
}

// invocation makes what the program is given.
func (a *API) invocation(r *message.Request, call fc.Call, form form, body []byte) *invocation {
	now := time.Now()
	inv := &invocation{header: a.context(r, call, now), length: int64(len(body))}
	inv.payload = func(w io.Writer) error {
		if len(body) == 0 {
			return nil
		}
		_, err := w.Write(body)
		return err
	}
	switch {
	case call.Hook():
		inv.length, inv.payload = 0, func(io.Writer) error { return nil }
	case form == inParams:
		inv.header.Add(headerParams, encodeParams(r))
	case call == fc.HTTP:
		inv.length, inv.payload = -1, a.encodeEvent(r, body, now)
	}
	return inv
}

// currentForm is the form that HTTP calls have now.
func (a *API) currentForm() form {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.form
}

// learn fixes the form that was found out.
func (a *API) learn(f form) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.form == unknown {
		a.form = f
	}
}

// succeed makes the answer of a POST response. It lets got go.
func (a *API) succeed(x message.Exchange, call fc.Call, got *answer, gone <-chan struct{}) error {
	defer close(got.done)
	r := got.request
	head := message.Head{Status: 200, Length: r.Length}
	params := r.Header.Get(headerParams)
	switch {
	case params != "":
		a.learn(inParams)
		var err error
		if head, err = decodeParams(params); err != nil {
			return badAnswer(err.Error())
		}
		head.Length = r.Length
	case call.Hook():
		head.Length = 0
		if err := x.Head(head); err != nil {
			return abort(x)
		}
		return end(x)
	case call == fc.HTTP:
		a.learn(asEvent)
		return a.eventAnswer(x, got, gone)
	default:
		head.Header.Add("Content-Type", contentType(r))
		head.Header.Add(fc.HeaderStatus, "200")
	}
	return stream(x, head, r)
}

// contentType is what the program calls its answer to an event.
func contentType(r *message.Request) string {
	if t := r.Header.Get("Content-Type"); t != "" {
		return t
	}
	return "application/json"
}

// maxEventAnswer is 32 MB in base64 and what stands around it.
const maxEventAnswer = fc.MaxBodyBytes/3*4 + 1<<20

// eventAnswer answers an HTTP call with what an event function returned.
func (a *API) eventAnswer(x message.Exchange, got *answer, gone <-chan struct{}) error {
	r := got.request
	if r.Body == nil {
		return stream(x, message.Head{Status: 200}, r)
	}
	// The JSON, the string in it, and what that says in base64 are held at once.
	h, err := a.hold(r.Body, r.Length, maxEventAnswer, 3, gone)
	switch {
	case err == message.ErrAborted:
		return err
	case err == errTooLarge:
		return badAnswer("its answer is over the limit of the platform")
	case err != nil:
		return brokenOff()
	}
	defer a.release(&h)
	head, body, err := decodeEventAnswer(h.data)
	if err != nil {
		return badAnswer(err.Error())
	}
	if x.Head(head) != nil {
		return abort(x)
	}
	if _, err := x.Write(body); err != nil {
		return abort(x)
	}
	return end(x)
}

var buffers = sync.Pool{New: func() any { b := make([]byte, 32<<10); return &b }}

// stream answers with r's body. The head is sent once some of the body is
// there: until then the program may still fail.
func stream(x message.Exchange, head message.Head, r *message.Request) error {
	if r.Body == nil {
		head.Length = 0
		if x.Head(head) != nil {
			return abort(x)
		}
		return end(x)
	}
	buffer := buffers.Get().(*[]byte)
	defer buffers.Put(buffer)
	body, begun := r.Body, false
	for {
		n, err := body.Read(*buffer)
		if err != nil && err != io.EOF {
			if begun {
				x.Abort()
			}
			return brokenOff()
		}
		if !begun && (n > 0 || err == io.EOF) {
			begun = true
			if x.Head(head) != nil {
				return abort(x)
			}
		}
		if n > 0 {
			if _, err := x.Write((*buffer)[:n]); err != nil {
				return abort(x)
			}
		}
		if err == io.EOF {
			return end(x)
		}
	}
}

func end(x message.Exchange) error {
	if x.End(nil) != nil {
		return abort(x)
	}
	return nil
}

func abort(x message.Exchange) error {
	x.Abort()
	return message.ErrAborted
}

func badAnswer(why string) error {
	return &message.Failure{Status: 502, Type: message.ProgramBadAnswer, Message: "the program's answer cannot be used: " + why}
}

func brokenOff() error {
	return &message.Failure{Status: 502, Type: message.ProgramClosedConnection, Message: "the program closed its connection to the runtime API in the middle of its answer"}
}
