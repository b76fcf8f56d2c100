// Package conformance is the shim's contract as a test suite. Each Rule states
// one demand, where it is written, and a run that finds out from outside
// whether a container keeps it: over its port, its output, its signals and exit
// code. Nothing in it knows how the container is made, so that the same rules
// judge a shim of this checkout and a finished image: see Subject.
//
// The rules are themselves tested, with mutants: the shim is compiled with one
// line wrong, and the rule that is about that line must fail.
package conformance
