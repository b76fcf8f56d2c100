package emulator

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/imgbuild/imgbuild/pkg/template"
)

// Emulator plays the platform in front of one function. It is safe for
// concurrent use.
type Emulator struct {
	function *template.Function
	runtime  Runtime
	options  Options
	told     map[string]string // headers that are the same in every call

	running context.Context // ends with Close
	end     context.CancelCauseFunc
	pending sync.WaitGroup // asynchronous calls

	pool pool
	// unlimited is when it has been said that limits are not kept here.
	unlimited sync.Once
}

// New plays the platform in front of fn, whose instances rt starts when there
// are calls. What the platform would refuse is an error that wraps an *Error.
func New(fn template.Function, rt Runtime, o Options) (*Emulator, error) {
	f, err := prepare(fn)
	if err != nil {
		return nil, err
	}
	e := &Emulator{function: f, runtime: rt, options: o.withDefaults()}
	e.told = e.toldHeaders()
	e.running, e.end = context.WithCancelCause(context.Background())
	e.pool.init()
	if r, ok := rt.(interface{ SharesPorts() bool }); ok {
		e.pool.shared = r.SharesPorts()
	}
	return e, nil
}

// Function is the function with the platform's defaults filled in.
func (e *Emulator) Function() template.Function { return *e.function }

// Close ends asynchronous calls, calls /pre-stop where the function has it, and
// stops all instances. Calls in flight fail.
func (e *Emulator) Close() error {
	e.end(errClosed)
	e.pending.Wait()
	var all sync.WaitGroup
	instances := e.pool.close()
	errs := make([]error, len(instances))
	for n, i := range instances {
		all.Go(func() { errs[n] = i.stop() })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("stopping %s: %w", e.function.Name, err)
	}
	return nil
}
