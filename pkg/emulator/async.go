package emulator

import (
	"context"
	"time"

	"github.com/imgbuild/imgbuild/pkg/fc"
)

// retries are how often the platform repeats an asynchronous call that failed.
const retries = 3

// InvokeAsync takes an event, as the platform does with status 202, and calls
// the function with it later, up to four times until it succeeds. done gets the
// last result and is closed; it is closed without one where the emulator was.
// What the platform refuses, over 128 KB, is an *Error.
func (e *Emulator) InvokeAsync(event []byte) (id string, done <-chan Result, err error) {
	c := e.newCall(fc.Invoke)
	if len(event) > fc.MaxAsyncBytes {
		return "", nil, tooLarge(c, len(event), fc.MaxAsyncBytes).Error
	}
	if e.running.Err() != nil {
		return "", nil, errClosed
	}
	results := make(chan Result, 1)
	e.pending.Go(func() {
		defer close(results)
		pause := e.options.RetryDelay
		for n := 0; ; n++ {
			// The id stays, so that the function knows the event again.
			r, err := e.invoke(e.running, &call{e: e, kind: c.kind, id: c.id}, event)
			if err != nil {
				return // of this machine, and there is nobody to tell
			}
			if r.Retries = n; !r.Failed() || n == retries {
				results <- r
				return
			}
			if !pauseFor(e.running, pause) {
				return
			}
			pause *= 2
		}
	})
	return c.id, results, nil
}

func pauseFor(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
