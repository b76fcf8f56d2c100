package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/imgbuild/imgbuild/pkg/build"
	"github.com/imgbuild/imgbuild/pkg/fetch"
	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/resolve"
	"github.com/imgbuild/imgbuild/pkg/store"
)

func isCorrupt(err error) bool { return errors.Is(err, store.ErrCorrupt) }

// explain adds the way out where a lock does not serve any more: the command
// that makes a new one, and where a mirror has moved on what it has now.
func explain(ctx context.Context, f *fetch.Fetcher, s *store.Store, wanted []wantedImage, err error) error {
	if differs, ok := errors.AsType[*build.MismatchError](err); ok {
		for _, w := range wanted {
			if w.definition.Name == differs.Image {
				return fmt.Errorf("%w; run `imgbuild lock %s --update` and review what moved", err, w.definition.Ref)
			}
		}
	}
	gone, ok := errors.AsType[*fetch.NotFoundError](err)
	if !ok || gone.Input.ID == "" {
		return err
	}
	in := gone.Input
	for _, w := range wanted {
		// Two locks can have the same name for different files.
		if found, ok := w.definition.lock.Find(in.ID); !ok || found.SHA256 != in.SHA256 {
			continue
		}
		now, e := resolve.New(f, s).Current(ctx, w.definition.lock, in)
		return fmt.Errorf("%s %s, which the lock of %s names, is gone from the mirror%s: %w",
			in.Name, in.Version, w.definition.Name, wayOut(in, now, e, w.definition.Ref), err)
	}
	return fmt.Errorf("%s %s, which compiles the shim, is gone from the mirror; name a mirror that has it with --mirror %s=URL, or use a newer imgbuild: %w",
		in.Name, in.Version, in.Archive, err)
}

// wayOut says what the mirror has now and what to do about it.
func wayOut(in lock.Input, now string, err error, ref string) string {
	switch {
	case err != nil:
		return fmt.Sprintf(" (which version it has now is not known: %v); run `imgbuild lock %s --update` to take what there is", err, ref)
	case now == in.Version:
		return fmt.Sprintf(", though it still lists that version: it is being updated or broken; try again later, or another one with --mirror %s=URL", in.Archive)
	}
	return fmt.Sprintf(", which has version %s now; run `imgbuild lock %s --update` to take that", now, ref)
}
