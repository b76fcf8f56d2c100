package fetch

import (
	"context"
	"errors"

	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/mirror"
)

// errLocal is wrapped by errors of this machine, for which no mirror is to
// blame: a full disk.
var errLocal = errors.New("local")

type localError struct{ error }

func (e localError) Unwrap() []error { return []error{e.error, errLocal} }

// eachMirror calls try for the places of the file until one succeeds. Where
// all say that it is not there the error is a *NotFoundError.
func (f *Fetcher) eachMirror(ctx context.Context, in lock.Input, try func(base mirror.Base, url string) error) error {
	bases, err := f.mirrors.Bases(ctx, in.Archive)
	if err != nil {
		return err
	}
	missing := &NotFoundError{Input: in, Archive: in.Archive, Path: in.Path}
	var failures []error
	for _, base := range f.hosts.order(bases) {
		url, err := base.Join(in.Path)
		if err != nil {
			return err
		}
		err = try(base, url)
		var status *statusError
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, errLocal):
			return err
		case errors.As(err, &status) && status.notThere():
			missing.URLs = append(missing.URLs, url)
			missing.Statuses = append(missing.Statuses, status.status)
			failures = append(failures, err)
		default:
			if !errors.As(err, new(refusal)) {
				f.hosts.failed(base.URL)
			}
			failures = append(failures, err)
		}
	}
	if len(missing.URLs) == len(failures) {
		return missing
	}
	return unreachable(in.Archive, errors.Join(failures...))
}
