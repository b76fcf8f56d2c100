package frontend

import (
	"context"
	"errors"
	"fmt"

	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/solver/pb"

	"github.com/imgbuild/imgbuild/images"
	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/lock"
)

// lock reads the lock beside the definition. A definition without one that is
// the same as one inside imgbuild has that one's.
func (f *files) lock(ctx context.Context, d *definition.Loaded) (*lock.Lock, error) {
	l, err := lock.Load(d)
	if !errors.Is(err, lock.ErrMissing) {
		return l, err
	}
	for _, name := range images.Names() {
		own, e := definition.Load(name)
		if e != nil || own.Digest() != d.Digest() {
			continue
		}
		f.warn(ctx, fmt.Sprintf("there is no %s; the one of %s inside this frontend is used", f.lockName(), name))
		return lock.Load(own)
	}
	return nil, fmt.Errorf("%w; it belongs beside %s", err, f.name)
}

// located says at which lines of the definition an error is, so that clients
// show them.
func (f *files) located(err error) error {
	problems, ok := errors.AsType[definition.Problems](err)
	if !ok {
		return err
	}
	src := &errdefs.Source{Info: &pb.SourceInfo{
		Data:       f.source.Data,
		Filename:   f.source.Filename,
		Language:   f.source.Language,
		Definition: f.source.Definition.ToPB(),
	}}
	// Only the first place: clients show all that is between two.
	for _, p := range problems[:min(len(problems), 1)] {
		at := &pb.Position{Line: int32(p.Line), Character: int32(p.Column)}
		src.Ranges = append(src.Ranges, &pb.Range{Start: at, End: at})
	}
	return errdefs.WithSource(err, src)
}
