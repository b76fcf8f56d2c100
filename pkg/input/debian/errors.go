package debian

import (
	"fmt"
	"strings"
)

// MissingError says that a package which was asked for does not exist.
type MissingError struct {
	Package string
	Arch    string
	Suites  []string
	// Near are names that exist and look alike, the nearest first.
	Near []string
	// Providers are packages that provide the name: a virtual package with
	// more than one provider cannot be asked for.
	Providers []string
}

func (e *MissingError) Error() string {
	where := fmt.Sprintf("in %s for %s", strings.Join(e.Suites, ", "), e.Arch)
	switch {
	case len(e.Providers) > 0:
		return fmt.Sprintf("package %s is virtual %s: name one of its providers: %s", e.Package, where, strings.Join(e.Providers, ", "))
	case len(e.Near) > 0:
		return fmt.Sprintf("no package %s %s; did you mean %s?", e.Package, where, strings.Join(e.Near, ", "))
	}
	return fmt.Sprintf("no package %s %s", e.Package, where)
}

// DependencyError says that a dependency cannot be satisfied.
type DependencyError struct {
	// Chain leads from a package that was asked for (as name and version) to
	// the one whose dependency fails.
	Chain []string
	// Field is Depends or Pre-Depends, Clause the dependency.
	Field, Clause string
	// Reasons says for each alternative why it cannot be had.
	Reasons []string
	// Err is why the last alternative that exists could not be installed.
	Err error
}

func (e *DependencyError) Error() string {
	verb := "depends on"
	if e.Field == "Pre-Depends" {
		verb = "pre-depends on"
	}
	s := fmt.Sprintf("%s %s %s, but %s", e.Chain[len(e.Chain)-1], verb, e.Clause, strings.Join(e.Reasons, "; "))
	if len(e.Chain) > 1 {
		s += " (wanted by: " + strings.Join(e.Chain, " → ") + ")"
	}
	return s
}

func (e *DependencyError) Unwrap() error { return e.Err }

// ConflictError says that two packages cannot be installed together.
type ConflictError struct {
	// Package and Other are names with versions; Package declares Relation.
	Package, Other string
	// Field is Conflicts or Breaks.
	Field, Relation string
	// Chain and OtherChain say who wants the two.
	Chain, OtherChain []string

	// optional is the choice that led to the one of the two that was there
	// first, nil where there was no choice.
	optional *record
}

func (e *ConflictError) Error() string {
	verb := "conflicts with"
	if e.Field == "Breaks" {
		verb = "breaks"
	}
	s := fmt.Sprintf("%s %s %s, which %s is", e.Package, verb, e.Relation, e.Other)
	for _, c := range [][]string{e.Chain, e.OtherChain} {
		if len(c) > 1 {
			s += "; " + c[len(c)-1] + " is wanted by: " + strings.Join(c, " → ")
		}
	}
	return s
}
