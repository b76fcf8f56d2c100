package prove

import (
	"errors"
	"fmt"
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
