package emulator

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/imgbuild/imgbuild/pkg/fc"
)

// Result is what became of a call.
type Result struct {
	RequestID, InstanceID string
	// Status is HTTP's: the function's own, or the platform's where Error is
	// set. Of an event it says nothing: ErrorType does.
	Status int
	Header http.Header // of an HTTP trigger's answer
	Body   []byte      // at most 32 MB
	// ErrorType is "" where the call succeeded, UnhandledInvocationError where
	// the function failed, and else the code of Error.
	ErrorType string
	// Error is an answer of the platform's own, nil where the function gave
	// one.
	Error *Error
	// Log is the end of the call's log, at most 4 KB.
	Log []byte
	// Duration is from the instance's getting the request to the answer's end;
	// Start is what came before, the start of an instance where Cold is set.
	Duration, Start time.Duration
	// Memory is the most that the instance's processes have had resident, in
	// bytes, 0 where that is not known.
	Memory int64
	// Cold says that an instance was started for this call.
	Cold bool
	// Retries are those of an asynchronous call.
	Retries int
}

// Billed is the duration as it is billed: whole milliseconds.
func (r Result) Billed() time.Duration {
	return (r.Duration + time.Millisecond - 1).Truncate(time.Millisecond)
}

// Failed says that the call did not succeed.
func (r Result) Failed() bool { return r.ErrorType != "" }

// Invoke calls the function with an event. What is wrong with the function is in
// the result; the error is about this machine, or that ctx has ended.
func (e *Emulator) Invoke(ctx context.Context, event []byte) (Result, error) {
	if len(event) > fc.MaxBodyBytes {
		return tooLarge(e.newCall(fc.Invoke), len(event), fc.MaxBodyBytes), nil
	}
	return e.invoke(ctx, e.newCall(fc.Invoke), event)
}

func tooLarge(c *call, size, limit int) Result {
	return c.platform(c.failed(invalid("the event has %d bytes, and %d are allowed", size, limit)))
}

func (e *Emulator) invoke(ctx context.Context, c *call, event []byte) (Result, error) {
	asked := time.Now()
	req, err := http.NewRequestWithContext(ctx, c.kind.Method(), "http://function"+c.kind.Path(), bytes.NewReader(event))
	if err != nil {
		return Result{}, err
	}
	req.Header.Set("Content-Type", "application/octet-stream")
	res, err := c.RoundTrip(req)
	var body []byte
	if err == nil {
		body, err = c.read(res)
	}
	if err != nil {
		if as(err) == nil {
			return Result{}, fmt.Errorf("invoking %s: %w", e.function.Name, err)
		}
		return c.finish(c.platform(err), asked), nil
	}
	r := Result{Status: res.StatusCode, Body: body}
	// Without the header the platform counts success, whatever the status is.
	if res.Header.Get(fc.HeaderStatus) == "404" {
		r.ErrorType = UnhandledInvocationError
	}
	return c.finish(r, asked), nil
}

// read reads an answer.
func (c *call) read(res *http.Response) ([]byte, error) {
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, fc.MaxBodyBytes+1))
	switch {
	case c.timedOut.Load():
		return nil, c.failed(timedOut(c.e.function.Timeout, c.memory.Load()))
	case err != nil && c.e.running.Err() != nil:
		return nil, errClosed
	case err != nil && res.Request.Context().Err() != nil:
		return nil, context.Cause(res.Request.Context())
	case err != nil:
		return nil, c.failed(exited(c.fate()))
	case len(body) > fc.MaxBodyBytes:
		return nil, c.failed(&Error{Status: http.StatusBadGateway, Code: "ResponseSizeTooLarge", Message: fmt.Sprintf("the answer has more than %d bytes", fc.MaxBodyBytes)})
	}
	return body, nil
}

// platform is the result of a call that the function did not answer.
func (c *call) platform(err error) Result {
	e := as(err)
	return Result{RequestID: c.id, Status: e.Status, Body: e.JSON(), ErrorType: e.Code, Error: e}
}

// finish fills in what is known of every call.
func (c *call) finish(r Result, asked time.Time) Result {
	r.RequestID = c.id
	if i := c.instance; i != nil {
		r.InstanceID, r.Cold = i.id, c.cold
		r.Duration, r.Memory, r.Start = c.took, c.memory.Load(), c.begun.Sub(asked)
		r.Log = i.log.finish(c.cut, c.e.running.Err() == nil)
	}
	return r
}
