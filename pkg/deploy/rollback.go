package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/imgbuild/imgbuild/pkg/progress"
)

// The digest before is kept in tags of the function itself, so that any machine
// can go back. Not in its versions: each deployment would leave one, and they
// are limited. Not in its description or environment: those are the user's.
// Two digests are kept, to see where somebody else has changed the image since.
const (
	tagImage      = "imgbuild-image"             // digest that imgbuild deployed
	tagBefore     = "imgbuild-before"            // digest before that
	tagRepository = "imgbuild-before-repository" // of that, where it is another
	// tagUntested is the digest until it has been ready and tried, so that a
	// deployment that was stopped is not taken for a good one.
	tagUntested = "imgbuild-untested"
)

// maxTag is how many characters the value of a tag can have ("Configure tags").
const maxTag = 128

// marks are the tags for a function that goes from cur, nil for none, to w.
func (p *Deployment) marks(w, cur *function) []tag {
	repository, digest := w.running()
	oldRepository, old := cur.running()
	if old == digest && old != "" {
		return []tag{{tagUntested, digest}}
	}
	before := ""
	if old != "" && !sameImage(oldRepository, repository) {
		if len(oldRepository) > maxTag {
			p.note("--rollback will not know the digest before: the name of its repository is too long for a tag")
			old = ""
		} else {
			before = oldRepository
		}
	}
	tags := []tag{{tagImage, digest}, {tagBefore, old}, {tagRepository, before}, {tagUntested, digest}}
	// What is empty and was never there needs no tag.
	return slices.DeleteFunc(tags, func(t tag) bool { return t.Value == "" && cur.tag(t.Key) == "" })
}

// asWere are the same tags with the values that they had.
func (f *function) asWere(tags []tag) []tag {
	was := slices.Clone(tags)
	for i := range was {
		was[i].Value = f.tag(was[i].Key)
	}
	return was
}

// tag is the value of a tag, "" where there is none.
func (f *function) tag(key string) string {
	if f != nil {
		for _, t := range f.Tags {
			if t.Key == key {
				return t.Value
			}
		}
	}
	return ""
}

// mark sets the tags. Without them a deployment is as good, so that it goes on.
func (p *Deployment) mark(ctx context.Context, cur *function, tags []tag) {
	if cur.ARN == "" || len(tags) == 0 {
		return
	}
	err := p.tagged(ctx, cur.ARN, tags)
	p.marked = err == nil
	if err != nil && ctx.Err() == nil {
		p.note("--rollback will not know the digest before: %v", err)
	}
}

// untested says that a deployment of what it runs was stopped.
func (f *function) untested() bool {
	if f.tag(tagUntested) == "" {
		return false
	}
	_, digest := f.running()
	return f.tag(tagUntested) == digest
}

// tried takes the mark away.
func (p *Deployment) tried(ctx context.Context, f *function) {
	if !p.marked && f.tag(tagUntested) == "" || f.ARN == "" {
		return
	}
	if err := p.tagged(ctx, f.ARN, []tag{{tagUntested, ""}}); err != nil && ctx.Err() == nil {
		p.note("the next deployment tests it again: %v", err)
	}
}

// Rollback takes the function to the digest before its last deployment, waits
// until that is ready and sends one test request. Only the image changes. A
// second rollback goes forward again.
func (p *Deployment) Rollback(ctx context.Context, o Options) (*Result, error) {
	step := progress.Start(ctx, "roll back "+p.fn.Name, 0)
	r, err := p.rollback(ctx, o, step)
	err = p.failed("rolling back", err)
	step.Done(err)
	return r, err
}

// PlanRollback says what Rollback would do, and changes nothing.
func (p *Deployment) PlanRollback(ctx context.Context) (*Changes, error) {
	cur, back, err := p.before(ctx)
	if err != nil {
		return nil, p.failed("planning", err)
	}
	return &Changes{Function: p.fn.Name, Region: p.region, Image: back, Changes: p.backChange(cur, back), Notes: p.notes}, nil
}

func (p *Deployment) backChange(cur *function, back string) []Change {
	return []Change{{Field: "customContainerConfig.image", Before: cur.Container.Image, After: back}}
}

// before returns the function, and the image to go back to.
func (p *Deployment) before(ctx context.Context) (*function, string, error) {
	if p.region == "" {
		return nil, "", errRegion
	}
	cur, err := p.get(ctx)
	if err != nil {
		return nil, "", err
	}
	if cur == nil {
		return nil, "", fmt.Errorf("there is no function %s; check its name and --region", p.fn.Name)
	}
	repository, digest := cur.running()
	switch before, known := cur.tag(tagBefore), cur.tag(tagImage); {
	case repository == "":
		return nil, "", errors.New("it has no image to go back from")
	case before == "":
		return nil, "", errors.New("no digest before is known: its tag " + tagBefore + " is empty; deploy the image that you want with --image HOST/NAME@sha256:…")
	case known != digest:
		return nil, "", fmt.Errorf("something else than imgbuild has changed the image since: it runs %s, and imgbuild deployed %s; deploy the image that you want with --image HOST/NAME@sha256:…", orNone(digest), known)
	default:
		if r := cur.tag(tagRepository); r != "" {
			repository = r
		}
		return cur, repository + "@" + before, nil
	}
}

func orNone(s string) string {
	if s == "" {
		return "no known digest"
	}
	return s
}

func (p *Deployment) rollback(outer context.Context, o Options, step progress.Step) (*Result, error) {
	ctx, cancel := o.limit(outer)
	defer cancel()
	cur, image, err := p.before(ctx)
	if err != nil {
		return nil, err
	}
	r := &Result{Function: p.fn.Name, Region: p.region, Action: RolledBack, Image: image, Before: imageOf(cur), Changes: p.backChange(cur, image)}
	defer func() { r.Notes = p.notes }()
	p.image = image
	c := *cur.Container
	c.Image, c.Resolved = image, ""
	w := &function{Container: &c}
	marks := p.marks(w, cur)
	p.mark(ctx, cur, marks)
	if _, err := p.update(ctx, w); err != nil {
		p.mark(ctx, cur, cur.asWere(marks))
		return nil, err
	}
	if err := p.proved(ctx, o, r, step); err != nil {
		return r, fmt.Errorf("%w; the function stays at %s", err, image)
	}
	return r, nil
}
