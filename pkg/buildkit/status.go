package buildkit

import (
	"context"

	"github.com/moby/buildkit/client"

	"github.com/imgbuild/imgbuild/pkg/progress"
)

// Statuses is the channel to give to Solve and Build: what a builder does goes
// to the context's reporter, where that shows BuildKit's own statuses. Solve
// and Build close the channel; wait returns when all of it has been handed on.
func Statuses(ctx context.Context) (statuses chan *client.SolveStatus, wait func()) {
	statuses, done := make(chan *client.SolveStatus), make(chan struct{})
	show, _ := progress.From(ctx).(interface{ Show(*client.SolveStatus) })
	go func() {
		defer close(done)
		for s := range statuses {
			if show != nil {
				show.Show(s)
			}
		}
	}()
	return statuses, func() { <-done }
}
