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

// Request calls the function's HTTP trigger; target is the path with the query.
// Result and error are as for Invoke. A status from 500 on counts as a failure.
func (e *Emulator) Request(ctx context.Context, method, target string, header http.Header, body io.Reader) (Result, error) {
	asked := time.Now()
	// An answer that is cut off aborts the handler, as in a server.
	served := context.WithValue(ctx, http.ServerContextKey, &http.Server{})
	req, err := http.NewRequestWithContext(served, method, "http://"+defaultHostname+target, body)
	if err != nil {
		return Result{}, fmt.Errorf("requesting %s of %s: %w", target, e.function.Name, err)
	}
	for name, values := range header {
		req.Header[name] = values
	}
	if host := header.Get("Host"); host != "" {
		req.Host = host
	}
	c := e.newCall(fc.HTTP)
	rec := &recorder{header: http.Header{}}
	if err := rec.record(func() { c.serve(rec, req) }); err != nil {
		switch {
		case c.timedOut.Load():
			return c.finish(c.platform(c.failed(timedOut(e.function.Timeout, c.memory.Load()))), asked), nil
		case ctx.Err() != nil:
			return Result{}, fmt.Errorf("requesting %s of %s: %w", target, e.function.Name, context.Cause(ctx))
		}
		return c.finish(c.platform(c.failed(exited(c.fate()))), asked), nil
	}
	r := Result{Status: rec.status, Header: rec.header, Body: rec.body.Bytes()}
	if c.refused != nil {
		if ctx.Err() != nil {
			return Result{}, fmt.Errorf("requesting %s of %s: %w", target, e.function.Name, context.Cause(ctx))
		}
		r.ErrorType, r.Error = c.refused.Code, c.refused
	} else if r.Status >= http.StatusInternalServerError {
		r.ErrorType = UnhandledInvocationError
	}
	return c.finish(r, asked), nil
}

// recorder is an answer kept in memory.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header { return r.header }

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status >= http.StatusOK {
		r.status = status
	}
}

func (r *recorder) Write(p []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	if r.body.Len()+len(p) > fc.MaxBodyBytes {
		return 0, errTooLong
	}
	return r.body.Write(p)
}

func (r *recorder) Flush() {}

var errTooLong = fmt.Errorf("the answer has more than %d bytes", fc.MaxBodyBytes)

// record runs serve; an answer that was cut off is an error.
func (r *recorder) record(serve func()) (err error) {
	defer func() {
		switch v := recover(); v {
		case nil:
		case http.ErrAbortHandler:
			err = http.ErrAbortHandler
		default:
			panic(v)
		}
	}()
	serve()
	return nil
}
