package prove

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// Statuses of a Proof.
const (
	Passed  = "passed"
	Skipped = "skipped"
	Failed  = "failed"
)

// Proof is what became of one image.
type Proof struct {
	// Status is Passed, Skipped or Failed.
	Status string `json:"status"`
	// Reason says why nothing was tried, where Status is Skipped.
	Reason string `json:"reason,omitempty"`
	// Rules counts the rules that are kept.
	Rules int `json:"rules,omitempty"`
	// Skipped are the names of rules that could not be tried, with why.
	Skipped map[string]string `json:"skipped,omitempty"`
	// Failures are the rules that are broken, in the order of the suite.
	Failures []Failure `json:"failures,omitempty"`
}

// Failure is a rule that an image breaks.
type Failure struct {
	// Rule is the rule's name; Doc what it demands.
	Rule string `json:"rule"`
	Doc  string `json:"doc"`
	// Why lists what was wrong, one finding each.
	Why []string `json:"why"`
	// Log is what the containers wrote, shortened.
	Log string `json:"log,omitempty"`
}

// Err is nil unless the proof has failed; then it says which rules are broken
// and how.
func (p Proof) Err() error {
	if p.Status != Failed {
		return nil
	}
	var all []error
	for _, f := range p.Failures {
		for _, why := range f.Why {
			all = append(all, fmt.Errorf("%s: %s: %s", f.Rule, f.Doc, why))
		}
	}
	return errors.Join(all...)
}

// Options say what a Prover needs beside the store.
type Options struct {
	// Toolchain is the locked Go for this machine, with which the programs
	// are compiled that the rules run in the image; Fetch brings it into the
	// store. Both are as for the shim: build.CompiledShim has them.
	Toolchain lock.Input
	Fetch     func(context.Context, lock.Input) (v1.Hash, error)
	// Parallel is how many images are proven at a time by all calls of Prove
	// together, 0 for as many as this machine has cores for.
	Parallel int
}

// Prover proves images. It is safe for concurrent use.
type Prover struct {
	store   *store.Store
	options Options
	turns   chan struct{}
}

// New returns a Prover that remembers its proofs in s.
func New(s *store.Store, o Options) (*Prover, error) {
	if o.Fetch == nil || o.Toolchain.Version == "" {
		return nil, errors.New("proving images: no Go toolchain to compile the test programs with")
	}
	if o.Parallel <= 0 {
		o.Parallel = max(1, runtime.NumCPU()/2)
	}
	return &Prover{store: s, options: o, turns: make(chan struct{}, o.Parallel)}, nil
}

// Prove boots the image of that platform, and returns what was found. A proof
// from earlier is used again where image and rules are the same. The error is
// about the proving itself, never about the image: container.ErrUnavailable
// where this machine does not let imgbuild run containers.
func (p *Prover) Prove(ctx context.Context, img v1.Image, platform string) (Proof, error) {
	if host := runtime.GOOS + "/" + runtime.GOARCH; platform != host {
		return Proof{Status: Skipped, Reason: "this machine runs " + host + " only"}, nil
	}
	return Proof{}, errors.New("proving images: not here yet")
}
