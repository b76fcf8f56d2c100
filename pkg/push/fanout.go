package push

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
)

// Destination is one registry and the images that it is to have.
type Destination struct {
	// Name is what people call it: a region, or HOST[/NAMESPACE].
	Name   string
	Images []Request
}

// PartialError says that some destinations have all of their images and others
// do not.
type PartialError struct {
	// Done and Failed are names, in the order of the destinations; Errs are
	// the reasons of Failed.
	Done, Failed []string
	Errs         []error
}

func (e *PartialError) Error() string {
	var b strings.Builder
	for i, name := range e.Failed {
		fmt.Fprintf(&b, "%s: %v\n", name, e.Errs[i])
	}
	done := "none has"
	if len(e.Done) > 0 {
		done = strings.Join(e.Done, ", ") + " " + map[bool]string{true: "has", false: "have"}[len(e.Done) == 1]
	}
	fmt.Fprintf(&b, "%d of %d destinations failed; %s all images; run the same command again, it sends only what is missing",
		len(e.Failed), len(e.Failed)+len(e.Done), done)
	return b.String()
}

// Unwrap returns the reasons.
func (e *PartialError) Unwrap() []error { return e.Errs }

// PushAll pushes to all destinations at once, each by itself: what fails at one
// does not stop another. The results are in the order of the destinations and
// their images; those of images that failed are zero. Where there is one
// destination the error is its own, else a *PartialError.
func (p *Pusher) PushAll(ctx context.Context, ds []Destination) ([][]Result, error) {
	results := make([][]Result, len(ds))
	errs := make([]error, len(ds))
	var all sync.WaitGroup
	for i, d := range ds {
		results[i] = make([]Result, len(d.Images))
		all.Go(func() { errs[i] = p.pushTo(ctx, d, results[i]) })
	}
	all.Wait()
	if len(ds) == 1 {
		return results, errs[0]
	}
	failed := &PartialError{}
	for i, d := range ds {
		if errs[i] == nil {
			failed.Done = append(failed.Done, d.Name)
			continue
		}
		failed.Failed = append(failed.Failed, d.Name)
		failed.Errs = append(failed.Errs, errs[i])
	}
	switch {
	case len(failed.Failed) == 0:
		return results, nil
	case ctx.Err() != nil:
		return results, context.Cause(ctx)
	}
	return results, failed
}

// pushTo pushes the images of one destination at once. One image's failure
// lets the others end, unless it would be theirs too.
func (p *Pusher) pushTo(ctx context.Context, d Destination, results []Result) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make([]error, len(d.Images))
	var all sync.WaitGroup
	for i, r := range d.Images {
		all.Go(func() {
			results[i], errs[i] = p.Push(ctx, r)
			if hopeless(errs[i]) {
				cancel()
			}
		})
	}
	all.Wait()
	return firstOf(errs)
}

// firstOf is the first error that is not only the cancellation for another.
func firstOf(errs []error) error {
	for _, err := range errs {
		if err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
	}
	return errors.Join(errs...)
}
