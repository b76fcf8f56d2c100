package lambda

import (
	"context"
	"errors"
	"time"

	"github.com/imgbuild/imgbuild/pkg/fc"
	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// handle has an event answered and posts the answer. Errors are those after
// which the container must end.
func (c *Client) handle(ctx context.Context, k *conn, e *event) error {
	x, from, err := c.exchange(e)
	if err != nil {
		return c.fail(k, e, &problem{"InvalidEvent", "the event is an HTTP request that cannot be read: " + err.Error()})
	}
	var streamed *stream
	held := &buffer{}
	x.answer = held
	if c.o.Stream && from != alb && from != albMulti {
		streamed = &stream{conn: k, path: responsePath(e), from: from, x: x}
		x.answer = streamed
	}

	if !e.deadline.IsZero() {
		t := time.AfterFunc(time.Until(e.deadline), x.leave)
		defer t.Stop()
	}
	defer context.AfterFunc(ctx, x.leave)()
	c.o.Handler.Serve(x)
	if x.body != nil {
		x.body.closed.Store(true)
	}

	if streamed != nil && streamed.refused != nil {
		held = streamed.refused
	}
	switch {
	case streamed != nil && streamed.began:
		return c.report(streamed.end())
	case held.over:
		return c.fail(k, e, &problem{"Function.ResponseSizeTooLarge", "the answer is over the 6 MB that Lambda takes; stream it (SHIM_LAMBDA_STREAM=on), or answer with less"})
	case !x.ended:
		return c.fail(k, e, &problem{"AnswerBrokenOff", "the program gave no answer, or broke it off"})
	}
	return c.respond(k, e, from, x, held.data)
}

// exchange makes e an exchange without its answer.
func (c *Client) exchange(e *event) (*exchange, source, error) {
	x := &exchange{}
	from, h := parse(e.payload)
	payload := e.payload
	call := fc.Invoke
	if from == other {
		x.request = message.Request{Method: "POST", Target: fc.Invoke.Path(), Version: message.HTTP11, Length: int64(len(payload)),
			Header: message.Header{{Name: "Host", Value: "localhost"}, {Name: "Content-Type", Value: "application/octet-stream"}}}
	} else {
		r, data, err := h.request(from)
		if err != nil {
			return nil, from, err
		}
		x.request, payload, call = *r, data, fc.HTTP
	}
	c.addContext(&x.request.Header, e, call)
	if len(payload) > 0 {
		x.body = &body{data: payload}
		x.request.Body = x.body
	}
	return x, from, nil
}

// respond posts an answer that is held.
func (c *Client) respond(k *conn, e *event, from source, x *exchange, data []byte) error {
	if from == other {
		if failed(&x.head) {
			h, body := errorOf(x.head.Status, data)
			return c.report(k.post(errorPath(e), h, body))
		}
		kind := x.head.Header.Get("Content-Type")
		if kind == "" {
			kind = "application/octet-stream"
		}
		return c.report(k.post(responsePath(e), message.Header{{Name: "Content-Type", Value: kind}}, data))
	}
	data, err := encode(from, &x.head, data)
	if err != nil {
		return c.fail(k, e, &problem{"InvalidAnswer", err.Error()})
	}
	return c.report(k.post(responsePath(e), message.Header{{Name: "Content-Type", Value: "application/json"}}, data))
}

// failed says whether the answer to an event is an error.
func failed(h *message.Head) bool {
	if s := h.Header.Get(fc.HeaderStatus); s != "" {
		return s != "200"
	}
	return h.Status >= 400
}

// fail posts an error in place of an answer.
func (c *Client) fail(k *conn, e *event, p *problem) error {
	return c.report(k.post(errorPath(e), p.header(), p.json()))
}

// report says what was refused and passes on what ends the container.
func (c *Client) report(err error) error {
	if r, ok := errors.AsType[*rejected](err); ok {
		c.o.Say("%v", r)
		return nil
	}
	return err
}

func responsePath(e *event) string { return "/runtime/invocation/" + e.id + "/response" }
func errorPath(e *event) string    { return "/runtime/invocation/" + e.id + "/error" }
