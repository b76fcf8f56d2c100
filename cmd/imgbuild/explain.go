package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/imgbuild/imgbuild/pkg/fetch"
	"github.com/imgbuild/imgbuild/pkg/resolve"
	"github.com/imgbuild/imgbuild/pkg/store"
)

func isCorrupt(err error) bool { return errors.Is(err, store.ErrCorrupt) }

// explain adds the way out where a mirror has moved on from a lock: what it
// has now, and the command that takes that.
func explain(ctx context.Context, f *fetch.Fetcher, s *store.Store, wanted []wantedImage, err error) error {
	var gone *fetch.NotFoundError
	if !errors.As(err, &gone) || gone.Input.ID == "" {
		return err
	}
	for _, w := range wanted {
		if _, ok := w.definition.lock.Find(gone.Input.ID); !ok {
			continue
		}
		now := "it is not listed there any more"
		if v, e := resolve.New(f, s).Current(ctx, w.definition.lock, gone.Input); e == nil {
			now = "it has version " + v + " now"
		}
		return fmt.Errorf("%s %s, which the lock of %s names, is gone from the mirror (%s); run `imgbuild lock %s --update` to take what it has: %w",
			gone.Input.Name, gone.Input.Version, w.definition.Name, now, w.definition.Ref, err)
	}
	return err
}
