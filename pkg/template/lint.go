package template

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/imgbuild/imgbuild/pkg/fc"
)

// Severity is how bad a finding is, in SARIF's words.
type Severity string

// The severities.
const (
	Error   Severity = "error"   // the platform refuses it, or it fails there
	Warning Severity = "warning" // it may fail there, or is not what was meant
	Note    Severity = "note"    // worth knowing
)

// Finding is one thing in a template that is better changed.
type Finding struct {
	Rule     string // its name in Rules
	Severity Severity
	Function string // the function's name
	File     string
	Line     int // in File
	// What is so, and what to Do about it.
	What, Do string
	// Shim: it is so only where the entrypoint of the function's image is
	// imgbuild's shim, which a template does not tell.
	Shim bool
}

// String is FILE:LINE: what is so; what to do [rule].
func (f Finding) String() string {
	return fmt.Sprintf("%s:%d: %s: %s; %s [%s]", f.File, f.Line, f.Severity, f.What, f.Do, f.Rule)
}

// Rules are the names of the rules that Lint has, each with what holds where
// nothing is found.
var Rules = map[string]string{
	"name":             "the function's name is one that the platform takes",
	"region":           "the region is one of Alibaba Cloud's",
	"image-reference":  "the image is a reference: HOST/NAME:TAG@DIGEST",
	"image-digest":     "the image is pinned by its digest",
	"image-pushed":     "the image's digest is that of an image, not the one that imgbuild init wrote",
	"image-registry":   "the image is in Container Registry, or the template has the registry's login",
	"image-region":     "the image is in the function's region",
	"image-instance":   "an image in an enterprise instance comes with the instance's ID (FC 2.0)",
	"pull-policy":      "the service's role may pull from Container Registry (FC 2.0)",
	"entrypoint":       "the image's entrypoint, the shim, is not replaced",
	"port":             "the port is the one that imgbuild's images listen on",
	"memory":           "the memory is a size that the platform has",
	"cpu":              "the cores are a number that the platform has, and go with the memory",
	"disk":             "the disk is a size that the platform has",
	"timeout":          "the timeout is in the platform's range",
	"concurrency":      "the concurrency is in the platform's range",
	"environment-size": "the variables are within the platform's 4 KB",
	"environment-name": "no variable has a name that the platform keeps for itself",
	"environment-key":  "no variable holds an access key",
	"hook-timeout":     "the timeouts of the hooks are in the platform's ranges",
	"hook-unused":      "no timeout is set for a hook that is not",
	"health":           "the health check's numbers are in the platform's ranges",
	"code":             "the folder of the code is there",
	"bootstrap":        "the code has a bootstrap that can be run",
}

// Lint looks at a function for what the platform refuses or what fails there.
// Of a code package it looks at the files, too.
func Lint(f Function) []Finding {
	l := &linter{f: f}
	l.names()
	if f.Runtime == CustomContainer {
		l.image()
		l.program()
	}
	if f.CodePackage() && f.File != "" {
		l.code()
	}
	l.limits()
	l.environment()
	l.hooks()
	slices.SortStableFunc(l.found, func(a, b Finding) int { return cmp.Compare(a.Line, b.Line) })
	return l.found
}

type linter struct {
	f     Function
	found []Finding
}

// at is the line of the first field that is written, else the function's.
func (l *linter) at(fields ...string) int {
	for _, field := range fields {
		if n, ok := l.f.Lines[field]; ok {
			return n
		}
	}
	return l.f.Line
}

func (l *linter) add(rule string, s Severity, line int, what, do string) {
	l.found = append(l.found, Finding{Rule: rule, Severity: s, Function: l.f.Name, File: l.f.File, Line: line, What: what, Do: do})
}

// limits looks at the numbers.
func (l *linter) limits() {
	f := l.f
	switch {
	case f.GPU: // the sizes go with the kind of GPU
	case !fc.Memory.Has(f.Memory):
		l.add("memory", Error, l.at("Memory"), fmt.Sprintf("the memory is %d MB", f.Memory), fmt.Sprintf("use %d to %d MB", fc.Memory.Min, fc.Memory.Max))
	case f.Memory%fc.MemoryStep != 0:
		below := f.Memory / fc.MemoryStep * fc.MemoryStep
		l.add("memory", Error, l.at("Memory"), fmt.Sprintf("the memory is %d MB, no multiple of %d", f.Memory, fc.MemoryStep), fmt.Sprintf("use %d or %d", below, below+fc.MemoryStep))
	}
	if f.CPU != 0 && !f.GPU {
		l.cpu()
	}
	if f.Disk != fc.SmallDisk && f.Disk != fc.LargeDisk {
		l.add("disk", Error, l.at("Disk"), fmt.Sprintf("the disk has %d MB", f.Disk), fmt.Sprintf("use %d or %d", fc.SmallDisk, fc.LargeDisk))
	}
	l.within("timeout", "Timeout", "the timeout", f.Timeout, fc.Timeout, Error)
	if !fc.Concurrency.Has(f.Concurrency) {
		l.add("concurrency", Error, l.at("Concurrency"), fmt.Sprintf("an instance takes %d requests at once", f.Concurrency), fmt.Sprintf("use %d to %d", fc.Concurrency.Min, fc.Concurrency.Max))
	}
	if h := f.Health; h != nil {
		l.within("health", "Health", "the initial delay of the health check", h.InitialDelay, fc.HealthInitialDelay, Error)
		l.within("health", "Health", "the period of the health check", h.Period, fc.HealthPeriod, Error)
		l.within("health", "Health", "the timeout of the health check", h.Timeout, fc.HealthTimeout, Error)
		for i, n := range []int{h.FailureThreshold, h.SuccessThreshold} {
			if !fc.HealthThreshold.Has(n) {
				l.add("health", Error, l.at("Health"), fmt.Sprintf("the %s threshold of the health check is %d", []string{"failure", "success"}[i], n), fmt.Sprintf("use %d to %d", fc.HealthThreshold.Min, fc.HealthThreshold.Max))
			}
		}
	}
}

func (l *linter) cpu() {
	f, line := l.f, l.at("CPU")
	steps := f.CPU / fc.CPUStep
	switch perCPU := float64(f.Memory) / f.CPU; {
	case f.CPU < fc.MinCPU || f.CPU > fc.MaxCPU:
		l.add("cpu", Error, line, fmt.Sprintf("the function has %g cores", f.CPU), fmt.Sprintf("use %g to %d", fc.MinCPU, fc.MaxCPU))
	case steps-float64(int(steps+0.5)) > 1e-6 || float64(int(steps+0.5))-steps > 1e-6:
		l.add("cpu", Error, line, fmt.Sprintf("the function has %g cores, no multiple of %g", f.CPU, fc.CPUStep), fmt.Sprintf("use %g", float64(int(steps+0.5))*5/100))
	case perCPU < fc.MinMemoryPerCPU || perCPU > fc.MaxMemoryPerCPU:
		l.add("cpu", Error, line, fmt.Sprintf("the function has %g cores and %d MB of memory", f.CPU, f.Memory), "use 1 to 4 GB of memory for a core")
	}
}

// within looks at a time, which is in whole seconds.
func (l *linter) within(rule, field, what string, d time.Duration, r fc.Range, s Severity) {
	if n := int(d / time.Second); !r.Has(n) {
		l.add(rule, s, l.at(field), fmt.Sprintf("%s is %d seconds", what, n), fmt.Sprintf("use %d to %d", r.Min, r.Max))
	}
}

func (l *linter) hooks() {
	f := l.f
	for _, h := range []struct {
		hook  Hook
		field string
		name  string
		in    fc.Range
	}{
		{f.Initializer, "Initializer", "initializer", fc.InitializerTimeout},
		{f.PreFreeze, "PreFreeze", "pre-freeze hook", fc.PreStopTimeout},
		{f.PreStop, "PreStop", "pre-stop hook", fc.PreStopTimeout},
	} {
		if h.hook.Set {
			// Sources disagree on these ranges.
			l.within("hook-timeout", h.field, "the timeout of the "+h.name, h.hook.Timeout, h.in, Warning)
		}
	}
	if line, ok := f.Lines["InitializationTimeout"]; ok && !f.Initializer.Set {
		l.add("hook-unused", Warning, line, "there is a timeout for an initializer, and none is set", "add the initializer, such as index.initializer, or leave the timeout out")
	}
}
