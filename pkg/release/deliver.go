package release

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/imgbuild/imgbuild/pkg/push"
)

// deliver brings everything that is missing to the destinations: images by
// their digests, then what belongs beside them, and when every destination
// has all of it, tags.
func (r *Release) deliver(ctx context.Context, all []*built, ds []*destination, res *Result) error {
	defer func() { res.Done = done(ds) }()
	if err := r.content(ctx, all, ds, res); err != nil {
		return err
	}
	if err := r.attachments(ctx, all, ds, res); err != nil {
		return err
	}
	if err := failure(ds, "no tag was moved anywhere"); err != nil {
		return err
	}
	return r.tags(ctx, all, ds, res)
}

// healthy calls do for every destination that has not failed, at once, and
// keeps what it says.
func healthy(ctx context.Context, ds []*destination, do func(*destination) error) error {
	var wg sync.WaitGroup
	for _, d := range ds {
		if d.err == nil {
			wg.Go(func() { d.err = do(d) })
		}
	}
	wg.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// content pushes images and bundles by digest.
func (r *Release) content(ctx context.Context, all []*built, ds []*destination, res *Result) error {
	var mu sync.Mutex
	return healthy(ctx, ds, func(d *destination) error {
		to := push.Destination{Name: d.name}
		for _, p := range r.pushes(d, all) {
			if len(p.plan.Blobs) > 0 {
				p.Tags, p.Immutable = nil, nil
				to.Images = append(to.Images, p.Request)
			}
		}
		if len(to.Images) == 0 {
			return nil
		}
		results, err := r.o.Pusher.PushAll(ctx, []push.Destination{to})
		mu.Lock()
		defer mu.Unlock()
		for _, one := range results[0] {
			res.Sent += one.SentBytes
		}
		return err
	})
}

// attachments makes and pushes what belongs beside images: image by image, for
// a bill of materials has megabytes.
func (r *Release) attachments(ctx context.Context, all []*built, ds []*destination, res *Result) error {
	var mu sync.Mutex
	for i, b := range all {
		var m *material
		for _, d := range ds {
			if d.err != nil || len(d.images[i].missing()) == 0 || m != nil {
				continue
			}
			var err error
			if m, err = r.material(b); err != nil {
				return err
			}
		}
		if m == nil {
			continue
		}
		err := healthy(ctx, ds, func(d *destination) error {
			if len(d.images[i].missing()) == 0 {
				return nil
			}
			n, err := r.attach(ctx, d.images[i], b, m)
			mu.Lock()
			defer mu.Unlock()
			res.Signed += n
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// tags moves tags, at last.
func (r *Release) tags(ctx context.Context, all []*built, ds []*destination, res *Result) error {
	var mu sync.Mutex
	err := healthy(ctx, ds, func(d *destination) error {
		to := push.Destination{Name: d.name}
		moved := 0
		for _, p := range r.pushes(d, all) {
			if n := len(p.plan.Tags); n > 0 {
				to.Images = append(to.Images, p.Request)
				moved += n
			}
		}
		if moved == 0 {
			return nil
		}
		_, err := r.o.Pusher.PushAll(ctx, []push.Destination{to})
		mu.Lock()
		defer mu.Unlock()
		res.Moved += moved
		return err
	})
	if err != nil {
		return err
	}
	return failure(ds, "tags were being moved: where they were, all is whole")
}

func done(ds []*destination) (names []string) {
	for _, d := range ds {
		if d.err == nil {
			names = append(names, d.name)
		}
	}
	return names
}

// failure is a *push.PartialError where a destination has failed.
func failure(ds []*destination, tags string) error {
	failed := &push.PartialError{Done: done(ds)}
	for _, d := range ds {
		if d.err != nil {
			failed.Failed = append(failed.Failed, d.name)
			failed.Errs = append(failed.Errs, d.err)
		}
	}
	if len(failed.Failed) == 0 {
		return nil
	}
	return fmt.Errorf("%w; %s", failed, tags)
}

// refused says that an image would get no tag at a destination.
func refused(s *standing) error {
	return fmt.Errorf("%s: every tag of this image already names another one and does not move (%s); nothing of it was sent; to move them, set `immutable: none`",
		s.repository.Name(), strings.Join(s.plan.Kept, ", "))
}
