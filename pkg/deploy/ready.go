package deploy

import (
	"context"
	"errors"
	"fmt"

	"github.com/imgbuild/imgbuild/pkg/progress"
)

// failedLooks is how often in a row a function is seen Failed before it is: the
// first look after an update may still show the state before it.
const failedLooks = 3

// failedError is an image that the platform could not make ready.
type failedError struct{ condition string }

func (e *failedError) Error() string {
	return "the platform could not make the image ready: " + e.condition + "; check that the image is in the account's own Container Registry, is for " + Platform + " and is not too large"
}

// underWay says that the platform is not done with it.
func (f *function) underWay() bool {
	return f != nil && (f.State == statePending || f.LastUpdate == updateInProgress)
}

// broken says that it does not run, or not what it was updated to.
func (f *function) broken() bool {
	return !f.underWay() && (f.State == stateFailed || f.State == stateInactive || f.LastUpdate == updateFailed)
}

// failed is broken after an update: that it sleeps is no failure.
func (f *function) failed() bool {
	return !f.underWay() && (f.State == stateFailed || f.LastUpdate == updateFailed)
}

// condition is the state and the last update as the platform says it, with its
// codes and reasons.
func (f *function) condition() string {
	one := func(state, code, reason string) string {
		if code != "" && code != state {
			state += " " + code
		}
		if reason != "" {
			state += " (" + reason + ")"
		}
		return fmt.Sprintf("%.300s", printable(state))
	}
	s := "state " + one(f.State, f.StateCode, f.StateReason)
	if f.LastUpdate != "" && f.LastUpdate != updateSuccessful {
		s += ", last update " + one(f.LastUpdate, f.LastUpdateCode, f.LastUpdateReason)
	}
	return s
}

// ready waits until the function runs the image.
func (p *Deployment) ready(ctx context.Context, step progress.Step) (*function, error) {
	return p.readyWith(ctx, p.image, step)
}

func (p *Deployment) readyWith(ctx context.Context, image string, step progress.Step) (*function, error) {
	pause, failed, last := p.deployer.pace.poll, 0, ""
	for {
		f, err := p.get(ctx)
		switch {
		case err == nil && f == nil:
			return nil, errors.New("it is gone: something else has removed it meanwhile")
		case err != nil:
			return nil, withCondition(err, last)
		case !sameImage(imageOf(f), image):
			return nil, &takenError{image: imageOf(f)}
		}
		if c := p.hide(f.condition()); c != last {
			step.Log(c)
			last = c
		}
		switch {
		case f.failed():
			if failed++; failed == failedLooks {
				return nil, &failedError{last}
			}
		case !f.underWay():
			return f, nil
		default:
			failed = 0
		}
		if err := sleep(ctx, pause); err != nil {
			return nil, withCondition(err, last)
		}
		pause = min(pause*3/2, p.deployer.pace.maxPoll)
	}
}

// withCondition adds what was seen last to the end of all time.
func withCondition(err error, condition string) error {
	if e, ok := errors.AsType[*slowError](err); ok {
		return &slowError{after: e.after, at: condition}
	}
	return err
}
