package conformance

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Rule is one demand of the contract.
type Rule struct {
	// Name is GROUP/DEMAND and stays the same from version to version.
	Name string
	// Doc says what is demanded; Source where that is written.
	Doc, Source string
	// Fix says what to change where the rule is broken.
	Fix string
	// Needs are programs that must be in the container for the rule to be
	// tried, by name on the container's PATH or by path. The test program
	// needs none.
	Needs []string
	// Run tries it. It reports through t.
	Run func(t *Trial)
}

// Result is what became of a rule.
type Result struct {
	Rule Rule
	// Why lists what was wrong, one finding each. Empty: the rule is kept.
	Why []string
	// Log is what the containers wrote, where the rule is broken.
	Log  string
	Took time.Duration
}

// Kept says whether the container keeps the rule.
func (r Result) Kept() bool { return len(r.Why) == 0 }

// String renders the result for people: what is wrong, and what to do.
func (r Result) String() string {
	if r.Kept() {
		return "ok   " + r.Rule.Name
	}
	s := fmt.Sprintf("FAIL %s: %s (%s)\n", r.Rule.Name, r.Rule.Doc, r.Rule.Source)
	for _, w := range r.Why {
		s += "     " + strings.ReplaceAll(w, "\n", "\n     ") + "\n"
	}
	if r.Rule.Fix != "" {
		s += "     to do: " + r.Rule.Fix + "\n"
	}
	return strings.TrimSuffix(s, "\n")
}

// Sources of rules.
const (
	sourceContainer = "Function Compute, custom container: principles"
	sourceHTTP      = "RFC 9110, HTTP semantics"
	sourceHTTP1     = "RFC 9112, HTTP/1.1"
	sourceShim      = "imgbuild, pkg/shim"
)

// Rules are all rules, in the order of the contract.
func Rules() []Rule {
	return slices.Concat(callRules, hookRules, statusRules, headerRules, bodyRules, streamRules, protocolRules,
		malformedRules, badClientRules, badProgramRules, retryRules, freezeRules, portRules, errorRules,
		processRules, logRules, limitRules, modeRules, settingRules)
}

// Options say what to run the rules on.
type Options struct {
	Subject Subject
	// Program is the host's path of the test program (folder program beside
	// this package), compiled statically for the container's platform.
	Program string
	// Patience is the longest that one rule may take, 0 for a minute.
	Patience time.Duration
	// First ends a rule at its first finding, where it may.
	First bool
}

// Run tries one rule.
func Run(ctx context.Context, o Options, r Rule) Result {
	if o.Patience == 0 {
		o.Patience = time.Minute
	}
	ctx, cancel := context.WithTimeoutCause(ctx, o.Patience, fmt.Errorf("the rule was not through after %s", o.Patience))
	defer cancel()
	t := &Trial{ctx: ctx, options: o}
	begin, done := time.Now(), make(chan struct{})
	go func() {
		defer close(done)
		defer t.close()
		defer func() {
			if p := recover(); p != nil {
				stack := make([]byte, 4096)
				t.Errorf("the rule itself broke: %v\n%s", p, stack[:runtime.Stack(stack, false)])
			}
		}()
		r.Run(t)
	}()
	<-done
	result := Result{Rule: r, Why: t.why, Took: time.Since(begin)}
	if !result.Kept() {
		result.Log = t.log.String()
	}
	return result
}

// RunAll tries rules one after the other and hands each result to report.
func RunAll(ctx context.Context, o Options, rules []Rule, report func(Result)) {
	for _, r := range rules {
		if ctx.Err() != nil {
			return
		}
		report(Run(ctx, o, r))
	}
}
