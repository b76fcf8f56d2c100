package main

import (
	"fmt"
	"strings"

	"github.com/imgbuild/imgbuild/pkg/deploy"
)

// tell tells notes about a function.
func tell(g *global, function string, notes []string) {
	for _, n := range notes {
		g.noteOnce("%s: %s", function, n)
	}
}

// tellTest tells where a function is called, and the log of one that failed.
func tellTest(g *global, r *deploy.Result, err error) {
	for _, u := range r.URLs {
		g.noteOnce("%s: the trigger %s is at %s", r.Function, u.Trigger, u.Internet)
	}
	if err != nil && r.Test != nil && r.Test.Log != "" {
		g.noteOnce("%s: the end of its log is\n  %s", r.Function, strings.ReplaceAll(strings.TrimSpace(r.Test.Log), "\n", "\n  "))
	}
}

// printDeployed prints a function a line, or all of it as JSON.
func (g *global) printDeployed(results []*deploy.Result) error {
	if g.json {
		if results == nil {
			results = []*deploy.Result{}
		}
		return g.printJSON(results)
	}
	for _, r := range results {
		if _, err := fmt.Fprintf(g.stdout, "%s %s %s\n", r.Function, r.Action, r.Image); err != nil {
			return err
		}
	}
	return nil
}

// printChanges prints what would be done to each function.
func (g *global) printChanges(plans []*deploy.Changes) error {
	if g.json {
		if plans == nil {
			plans = []*deploy.Changes{}
		}
		return g.printJSON(plans)
	}
	for _, c := range plans {
		what := "would be updated"
		switch {
		case c.Create:
			what = "would be created"
		case c.None():
			what = "nothing to do"
		}
		if _, err := fmt.Fprintf(g.stdout, "%s in %s: %s\n", c.Function, c.Region, what); err != nil {
			return err
		}
		for _, f := range c.Changes {
			before := ""
			if f.Before != "" {
				before = f.Before + " -> "
			}
			after := f.After
			if after == "" {
				after = "(none)"
			}
			if _, err := fmt.Fprintf(g.stdout, "  %s  %s%s\n", f.Field, before, after); err != nil {
				return err
			}
		}
	}
	return nil
}
