package check

import (
	"fmt"
	"time"
)

// Status is what became of a rule.
type Status string

// The statuses.
const (
	Passed  Status = "passed"
	Failed  Status = "failed"  // the platform refuses it, or it fails there
	Warned  Status = "warning" // it may fail there, or is not what was meant
	Noted   Status = "note"    // worth knowing
	Skipped Status = "skipped" // it could not be tried
)

// Result is what became of one rule. A rule of templates may have several, one
// for each place.
type Result struct {
	Rule   string `json:"rule"`
	Status Status `json:"status"`
	// What was found, and what to Do about it where the rule does not hold.
	What string `json:"what"`
	Do   string `json:"do,omitempty"`
	// Log is the end of what the container wrote, where it explains the result.
	Log string `json:"log,omitempty"`
	// File and Line say where, in a template.
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
	// Took is how long the rule was tried, in JSON in nanoseconds.
	Took time.Duration `json:"took,omitempty"`
}

// Report is what became of one image or one function.
type Report struct {
	// Subject is what was checked, as its user calls it.
	Subject string `json:"subject"`
	// Digest is the image's, "" where none is at hand.
	Digest  string   `json:"digest,omitempty"`
	Results []Result `json:"results"`
}

// Count is how many results have the status.
func (r Report) Count(s Status) (n int) {
	for _, x := range r.Results {
		if x.Status == s {
			n++
		}
	}
	return n
}

func passed(format string, args ...any) Result {
	return Result{Status: Passed, What: fmt.Sprintf(format, args...)}
}

func failed(do, format string, args ...any) Result {
	return Result{Status: Failed, What: fmt.Sprintf(format, args...), Do: do}
}

func warned(do, format string, args ...any) Result {
	return Result{Status: Warned, What: fmt.Sprintf(format, args...), Do: do}
}

func noted(do, format string, args ...any) Result {
	return Result{Status: Noted, What: fmt.Sprintf(format, args...), Do: do}
}

func skipped(format string, args ...any) Result {
	return Result{Status: Skipped, What: fmt.Sprintf(format, args...)}
}
