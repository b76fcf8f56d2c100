package deploy

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/imgbuild/imgbuild/pkg/progress"
)

// Action is what was done to a function.
type Action string

// The actions.
const (
	Created    Action = "created"
	Updated    Action = "updated"
	Unchanged  Action = "unchanged"
	RolledBack Action = "rolled-back"
)

// Result is what became of a function.
type Result struct {
	Function string   `json:"function"`
	Region   string   `json:"region"`
	Action   Action   `json:"action"`
	Image    string   `json:"image"`            // that the function has now
	Before   string   `json:"before,omitempty"` // that it had
	Changes  []Change `json:"changes"`
	URLs     []URL    `json:"urls,omitempty"` // of HTTP triggers
	Test     *Test    `json:"test,omitempty"` // nil where there was none
	Notes    []string `json:"notes,omitempty"`
}

// Options is how to deploy.
type Options struct {
	Event      []byte        // of the test request
	NoTest     bool          // no test request
	NoRollback bool          // leave a function that fails as it is
	Timeout    time.Duration // for all of one function; 0 is DefaultTimeout
}

// DefaultTimeout is long: the platform makes a large image ready in minutes.
const DefaultTimeout = 10 * time.Minute

// Apply makes the function what the template says: creates or updates it,
// waits until its image is ready, sends one test request, and makes its HTTP
// triggers. Nothing is done where nothing differs.
//
// A function that was there and fails is put back to what it was before, its
// whole configuration; the error says so, and the result is RolledBack.
// Triggers are touched only after the test request.
func (p *Deployment) Apply(ctx context.Context, o Options) (*Result, error) {
	step := progress.Start(ctx, "deploy "+p.fn.Name, 0)
	r, err := p.apply(ctx, o, step)
	err = p.failed("deploying", err)
	step.Done(err)
	return r, err
}

func (p *Deployment) failed(doing string, err error) error {
	if err == nil {
		return nil
	}
	in := ""
	if p.region != "" {
		in = " in " + p.region
	}
	return fmt.Errorf("%s %s%s: %w", doing, p.fn.Name, in, err)
}

func (p *Deployment) apply(outer context.Context, o Options, step progress.Step) (*Result, error) {
	ctx, cancel := o.limit(outer)
	defer cancel()
	s, err := p.look(ctx)
	if err != nil {
		return nil, err
	}
	r := &Result{Function: p.fn.Name, Region: p.region, Action: Unchanged, Image: p.image, Changes: s.plan.Changes}
	defer func() { r.Notes = p.notes }()
	if s.cur != nil && s.cur.Container != nil {
		r.Before = imageOf(s.cur)
	}
	made, err := p.put(ctx, s, r)
	if err != nil {
		return nil, err
	}
	// After a deployment that was stopped it is waited for and tried, too.
	if made || s.cur.underWay() || s.cur.untested() {
		err := p.proved(ctx, o, r, step)
		switch {
		case err != nil && made:
			return p.restored(outer, o, s, r, step, err)
		case err != nil:
			return r, fmt.Errorf("%w; it was so before, and nothing was changed: --rollback goes to the digest before", err)
		}
	}
	r.URLs, err = p.applyTriggers(ctx, s.triggers)
	if r.Action == Unchanged && len(r.Changes) > 0 {
		r.Action = Updated
	}
	return r, err
}

// put creates or updates the function, where it differs.
func (p *Deployment) put(ctx context.Context, s *state, r *Result) (bool, error) {
	if s.cur == nil {
		s.want.Tags = p.marks(s.want, nil)
		_, err := p.create(ctx, s.want)
		if err == nil {
			r.Action = Created
			return true, nil
		}
		if ctx.Err() != nil {
			return false, fmt.Errorf("%w; whether the function was made is not known, --plan tells", err)
		}
		if !refused(err, "FunctionAlreadyExists") {
			return false, err
		}
		// Made by somebody else meanwhile, or by a try whose answer was lost.
		again, err := p.look(ctx)
		if err != nil {
			return false, err
		}
		if again.cur == nil {
			return false, errors.New("it comes and goes; something else deploys it at the same time")
		}
		*s = *again
		r.Changes = s.plan.Changes
		if s.cur.Container != nil {
			r.Before = imageOf(s.cur)
		}
		if len(s.function) == 0 {
			r.Action = Created // by the lost try
			return true, nil
		}
	}
	if len(s.function) == 0 {
		return false, nil
	}
	marks := p.marks(s.want, s.cur)
	p.mark(ctx, s.cur, marks)
	if _, err := p.update(ctx, s.want); err != nil {
		if ctx.Err() != nil {
			return false, fmt.Errorf("%w; whether the function has the image %s is not known, --plan tells", err, p.image)
		}
		p.mark(ctx, s.cur, s.cur.asWere(marks))
		return false, err
	}
	r.Action = Updated
	return true, nil
}

// proved waits until the function is ready, and tries it.
func (p *Deployment) proved(ctx context.Context, o Options, r *Result, step progress.Step) error {
	f, err := p.ready(ctx, step)
	if err != nil {
		return err
	}
	if !o.NoTest {
		step.Log("test request")
		if r.Test, err = p.test(ctx, f, o.Event); err != nil {
			return &testError{err}
		}
	}
	p.tried(ctx, f)
	return nil
}

// testError is a test request that failed.
type testError struct{ err error }

func (e *testError) Error() string { return "the test request fails: " + e.err.Error() }
func (e *testError) Unwrap() error { return e.err }

// restored puts back what was there before a failure, and returns the failure
// with what became of it.
func (p *Deployment) restored(outer context.Context, o Options, s *state, r *Result, step progress.Step, failure error) (*Result, error) {
	left := func(why string) (*Result, error) {
		return r, fmt.Errorf("%w; %s, with the image %s", failure, why, p.image)
	}
	_, taken := errors.AsType[*takenError](failure)
	_, slow := errors.AsType[*slowError](failure)
	_, tested := errors.AsType[*testError](failure)
	switch {
	case taken:
		return r, failure
	case outer.Err() != nil:
		return left("the function stays as it is")
	case slow && !tested:
		return left("it is left to become ready; the same command again waits on")
	case o.NoRollback:
		return left("the function stays so, as --no-rollback says")
	case s.cur == nil:
		return left("there is nothing before it to go back to: the new function stays")
	}
	back := s.cur.body()
	if back == nil {
		return left("it had no image before: the function stays so")
	}
	step.Log("back to " + back.Container.Image)
	grace := p.deployer.pace.grace
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(outer), grace, fmt.Errorf("it is not ready after %s", grace))
	stop := context.AfterFunc(outer, cancel)
	defer func() { stop(); cancel() }()
	if err := p.goBack(ctx, back, s.cur, step); err != nil {
		return r, fmt.Errorf("%w; going back to %s failed, too: %w", failure, back.Container.Image, err)
	}
	r.Action, r.Image, r.Before = RolledBack, back.Container.Image, p.image
	return r, fmt.Errorf("%w; the function is back at %s", failure, back.Container.Image)
}

func (p *Deployment) goBack(ctx context.Context, back, cur *function, step progress.Step) error {
	// Not over what somebody else has put there meanwhile.
	now, err := p.get(ctx)
	switch {
	case err != nil:
		return err
	case now == nil || now.Container == nil || !sameImage(now.Container.Image, p.image):
		return &takenError{image: imageOf(now)}
	}
	if _, err := p.update(ctx, back); err != nil {
		return err
	}
	p.mark(ctx, cur, cur.asWere(p.marks(&function{Container: &container{Image: p.image}}, cur)))
	_, err = p.readyWith(ctx, back.Container.Image, step)
	return err
}

// body is what brings a function back to what it is: nil where it is no image's.
func (f *function) body() *function {
	if f.Container == nil || f.Container.Image == "" {
		return nil
	}
	b := *f
	b.Name, b.ARN, b.Tags = "", "", nil
	b.State, b.StateReason, b.StateCode, b.LastUpdate, b.LastUpdateReason, b.LastUpdateCode = "", "", "", "", "", ""
	if b.Environment == nil {
		b.Environment = map[string]string{}
	}
	if b.Description == nil {
		b.Description = new(string)
	}
	c := *f.Container
	c.Resolved = ""
	if repository, digest := f.running(); digest != "" {
		c.Image = repository + "@" + digest // a tag may have moved
	}
	c.Entrypoint, c.Command = append([]string{}, c.Entrypoint...), append([]string{}, c.Command...)
	b.Container = &c
	b.Lifecycle = &lifecycle{Initializer: noHook(), PreStop: noHook()}
	if l := f.Lifecycle; l != nil && l.Initializer.String() != "" {
		b.Lifecycle.Initializer = l.Initializer
	}
	if l := f.Lifecycle; l != nil && l.PreStop.String() != "" {
		b.Lifecycle.PreStop = l.PreStop
	}
	return &b
}

func (o Options) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	t := o.Timeout
	if t <= 0 {
		t = DefaultTimeout
	}
	return context.WithTimeoutCause(ctx, t, &slowError{after: t})
}

// slowError is the end of all time for one function.
type slowError struct {
	after time.Duration
	at    string // the condition it was seen in last
}

func (e *slowError) Error() string {
	s := fmt.Sprintf("it is not done after %s; --timeout gives more", e.after)
	if e.at != "" {
		s += ". The platform says: " + e.at
	}
	return s
}

// takenError is a function that somebody else deploys at the same time.
type takenError struct{ image string }

func (e *takenError) Error() string {
	return fmt.Sprintf("something else has put the image %s there meanwhile; it is left alone", e.image)
}

func imageOf(f *function) string {
	if f == nil || f.Container == nil {
		return "(none)"
	}
	return printable(f.Container.Image)
}
