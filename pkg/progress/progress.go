// Package progress carries what is being done from deep inside the work to
// whoever shows it. Work takes its reporter from the context, so that a
// library user who sets none pays nothing.
package progress

import "context"

// Reporter receives steps. Implementations are safe for concurrent use.
type Reporter interface {
	// Start begins a step, such as "fetch libc6 2.41-12". total is in bytes,
	// 0 when unknown.
	Start(name string, total int64) Step
}

// Step is one piece of work in progress.
type Step interface {
	// Add counts n more bytes done.
	Add(n int64)
	// Total sets the total in bytes once it is known.
	Total(n int64)
	// Log adds a line of text to the step.
	Log(line string)
	// Cached marks the step as answered from the store.
	Cached()
	// Done ends the step, with its error or nil.
	Done(err error)
}

type key struct{}

// With returns a context whose work reports to r.
func With(ctx context.Context, r Reporter) context.Context {
	return context.WithValue(ctx, key{}, r)
}

// From returns the context's reporter, nil where there is none.
func From(ctx context.Context) Reporter {
	r, _ := ctx.Value(key{}).(Reporter)
	return r
}

// Start begins a step on the context's reporter.
func Start(ctx context.Context, name string, total int64) Step {
	if r, ok := ctx.Value(key{}).(Reporter); ok {
		return r.Start(name, total)
	}
	return nothing{}
}

type nothing struct{}

func (nothing) Add(int64)   {}
func (nothing) Total(int64) {}
func (nothing) Log(string)  {}
func (nothing) Cached()     {}
func (nothing) Done(error)  {}
