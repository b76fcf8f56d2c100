package emulator

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/imgbuild/imgbuild/pkg/fc"
)

// Boot starts an instance that gets no calls of the emulator's, for who wants to
// look at one closely: it is the caller's to wait for, to call, and to Close. Its
// output goes to out.
func (e *Emulator) Boot(ctx context.Context, out io.Writer) (Running, error) {
	id := newInstanceID()
	r, err := e.runtime.Start(ctx, Spec{Function: e.function, ID: id, Env: e.environ(id), Output: out})
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", e.function.Name, err)
	}
	return r, nil
}

// Tell sets the headers that the platform sends with a call.
func (e *Emulator) Tell(h http.Header, kind fc.Call, requestID string) { e.tell(h, kind, requestID) }

// NewID returns a random request id.
func NewID() string { return newID() }
