package runtimeapi

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/imgbuild/imgbuild/pkg/fc"
	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// small payloads do not count as held memory: 200 of them, the platform's
// highest concurrency, are 13 MB.
const small = 64 << 10

// holding is bytes read from a body, and what of the budget they take.
type holding struct {
	data  []byte
	taken int64
}

// release gives the memory back. It may be called twice.
func (a *API) release(h *holding) {
	if h.taken > 0 {
		a.memory.give(h.taken)
	}
	*h = holding{}
}

// errTooLarge says that a body is over its limit.
var errTooLarge = errors.New("over the limit")

// hold reads a body of at most limit bytes. Each byte of it counts weight
// times. Errors are errTooLarge, message.ErrAborted where stop was closed, or
// the reader's.
func (a *API) hold(body io.Reader, length, limit, weight int64, stop <-chan struct{}) (holding, error) {
	switch {
	case length > limit:
		return holding{}, errTooLarge
	case length == 0 || body == nil:
		return holding{}, nil
	case length > 0 && length <= small:
		data := make([]byte, length)
		_, err := io.ReadFull(body, data)
		if err == nil {
			_, err = io.Copy(io.Discard, body) // what comes after must be the end
		}
		return holding{data: data}, err
	}
	// What is not known to be small is looked at first, while it costs nothing.
	var start bytes.Buffer
	if length < 0 {
		switch _, err := io.CopyN(&start, body, small); {
		case err == io.EOF:
			return holding{data: start.Bytes()}, nil
		case err != nil:
			return holding{}, err
		}
		length = limit
	}
	taken, ok := a.memory.take(length*weight, stop)
	if !ok {
		return holding{}, message.ErrAborted
	}
	h := holding{taken: taken}
	start.Grow(int(min(length, 1<<20))) // grows further with what really comes
	_, err := start.ReadFrom(io.LimitReader(body, limit+1-int64(start.Len())))
	if err == nil && int64(start.Len()) > limit {
		err = errTooLarge
	}
	if err != nil {
		a.release(&h)
		return holding{}, err
	}
	h.data = start.Bytes()
	if spare := h.taken - int64(len(h.data))*weight; spare > 0 {
		a.memory.give(spare)
		h.taken -= spare
	}
	return h, nil
}

// payload reads the client's body. Errors are *message.Failure or
// message.ErrAborted.
func (a *API) payload(r *message.Request, gone <-chan struct{}) (holding, error) {
	if r.Body == nil {
		return holding{}, nil
	}
	h, err := a.hold(r.Body, r.Length, fc.MaxBodyBytes, 1, gone)
	switch {
	case err == errTooLarge:
		return h, &message.Failure{Status: 413, Type: message.BodyTooLarge,
			Message: fmt.Sprintf("the request's body is over the %d bytes that a program which polls the runtime API can be given", fc.MaxBodyBytes)}
	case err != nil:
		return h, message.ErrAborted
	}
	return h, nil
}
