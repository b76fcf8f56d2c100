package prove

import (
	"context"
	"sync"

	"github.com/imgbuild/imgbuild/pkg/progress"
	"github.com/imgbuild/imgbuild/pkg/shim/conformance"
)

// Of so many broken rules it is the image that is at fault, and not that many
// run at a time.
const manyBroken = 12

// try runs the suite: every rule has containers and networks of its own, so
// that many run at a time. One that is broken beside others is judged by a run
// with nothing beside it, for some are about time.
func (p *Prover) try(ctx context.Context, suite []rule, o conformance.Options, step progress.Step) (Proof, error) {
	proof := Proof{Status: Passed, Skipped: map[string]string{}}
	// An image that does not even begin would break every rule, slowly.
	for _, part := range [][]rule{suite[:first], suite[first:]} {
		var tried []conformance.Rule
		for _, r := range part {
			if r.skip != "" {
				proof.Skipped[r.Name] = r.skip
			} else {
				tried = append(tried, r.Rule)
			}
		}
		results, err := p.together(ctx, tried, o)
		if err != nil {
			return Proof{}, err
		}
		if results, err = p.judge(ctx, results, o, step); err != nil {
			return Proof{}, err
		}
		for _, r := range results {
			if r.Kept() {
				proof.Rules++
				continue
			}
			proof.Status = Failed
			proof.Failures = append(proof.Failures, Failure{Rule: r.Rule.Name, Doc: r.Rule.Doc, Why: r.Why, Log: r.Log})
		}
		if proof.Status == Failed {
			break
		}
	}
	return proof, nil
}

// together runs rules at the same time and returns their results in order.
func (p *Prover) together(ctx context.Context, rules []conformance.Rule, o conformance.Options) ([]conformance.Result, error) {
	results := make([]conformance.Result, len(rules))
	var all sync.WaitGroup
	defer all.Wait()
	for n, r := range rules {
		select {
		case p.rules <- struct{}{}:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		all.Go(func() {
			defer func() { <-p.rules }()
			results[n] = conformance.Run(ctx, o, r)
		})
	}
	all.Wait()
	if ctx.Err() != nil { // they broke because of it
		return nil, context.Cause(ctx)
	}
	return results, nil
}

// judge tries broken rules once more.
func (p *Prover) judge(ctx context.Context, results []conformance.Result, o conformance.Options, step progress.Step) ([]conformance.Result, error) {
	broken := 0
	for _, r := range results {
		if !r.Kept() {
			broken++
		}
	}
	if broken > manyBroken {
		return results, nil
	}
	for n, r := range results {
		if r.Kept() {
			continue
		}
		step.Log(r.String() + "\nonce more, with nothing beside it")
		var err error
		if results[n], err = p.alone(ctx, o, r.Rule); err != nil {
			return nil, err
		}
	}
	return results, nil
}

// alone runs a rule when no other rule runs, of any image.
func (p *Prover) alone(ctx context.Context, o conformance.Options, r conformance.Rule) (conformance.Result, error) {
	p.turn.Lock() // two that take places one by one would wait for each other
	defer p.turn.Unlock()
	for range cap(p.rules) {
		select {
		case p.rules <- struct{}{}:
			defer func() { <-p.rules }()
		case <-ctx.Done():
			return conformance.Result{}, context.Cause(ctx)
		}
	}
	result := conformance.Run(ctx, o, r)
	if ctx.Err() != nil {
		return conformance.Result{}, context.Cause(ctx)
	}
	return result, nil
}
