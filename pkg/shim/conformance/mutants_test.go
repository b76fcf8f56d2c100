package conformance_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/shim/conformance"
	"github.com/imgbuild/imgbuild/pkg/shim/conformance/local"
)

// mutant is the shim with one thing wrong.
type mutant struct {
	name string
	// breaks are the rules that must fail, separated by spaces.
	breaks string
	// changes are mostly one: more where the shim has two defences.
	changes []change
}

// change is one in a file below pkg: old, which must be there once, becomes new.
type change struct{ file, old, new string }

// mutantsOf is for work on single rules.
var mutantsOf = flag.String("mutants-of", "", "`pattern` of the rules whose mutants TestMutants tries, in place of all")

// TestMutants compiles each mutant and expects that the rules which it breaks
// fail. With -short only a sample.
func TestMutants(t *testing.T) {
	o := options(t, "shim")
	var all sync.WaitGroup
	defer all.Wait()
	compiling, trying := make(chan struct{}, 2), make(chan struct{}, 8) // the latter mostly wait
	for n, m := range mutants {
		if testing.Short() && n%12 != 0 {
			continue
		}
		if ok, err := regexp.MatchString(*mutantsOf, m.breaks); err != nil || !ok {
			continue
		}
		trying <- struct{}{}
		all.Go(func() {
			defer func() { <-trying }()
			compiling <- struct{}{}
			flags, err := overlay(t.TempDir(), m)
			shim := filepath.Join(scratch, fmt.Sprintf("mutant%d", n))
			if err == nil {
				err = local.Compile(t.Context(), testtool.ModuleRoot(), shim, "./cmd/shim", append(flags, "-ldflags=-s -w")...) // links in half the time
			}
			<-compiling
			if err != nil {
				t.Errorf("%s: %v", m.name, err)
				return
			}
			defer os.Remove(shim)
			mo := conformance.Options{Subject: local.Subject{Shim: shim, Dir: scratch}, Program: o.Program, Patience: 45 * time.Second, First: true}
			for _, name := range strings.Fields(m.breaks) {
				r := conformance.Run(t.Context(), mo, rule(t, name))
				if r.Kept() { // some are about moments, and the machine may be busy
					r = conformance.Run(t.Context(), mo, rule(t, name))
				}
				if r.Kept() {
					t.Errorf("%s: %s does not see it: %q", m.name, name, m.changes)
				}
				if testing.Verbose() {
					t.Logf("%s: %s after %s", m.name, name, r.Took.Round(time.Millisecond))
				}
			}
		})
	}
}

// TestMutantsAreWhole: every rule is broken by a mutant.
func TestMutantsAreWhole(t *testing.T) {
	seen, names := map[string]bool{}, map[string]bool{}
	for _, m := range mutants {
		if names[m.name] || m.breaks == "" {
			t.Errorf("%s is there twice or breaks nothing", m.name)
		}
		names[m.name] = true
		for _, name := range strings.Fields(m.breaks) {
			rule(t, name)
			seen[name] = true
		}
		if _, err := overlay(t.TempDir(), m); err != nil {
			t.Error(err)
		}
	}
	for _, r := range conformance.Rules() {
		if !seen[r.Name] {
			t.Errorf("no mutant breaks %s", r.Name)
		}
	}
}

func rule(t *testing.T, name string) conformance.Rule {
	t.Helper()
	rules := conformance.Rules()
	i := slices.IndexFunc(rules, func(r conformance.Rule) bool { return r.Name == name })
	if i < 0 {
		t.Fatalf("there is no rule %s", name)
	}
	return rules[i]
}

// overlay writes the mutant's files beside the checkout and returns the go
// command's flags that put them in place of the real ones.
func overlay(dir string, m mutant) ([]string, error) {
	replace := map[string]string{}
	for n, c := range m.changes {
		path := filepath.Join(testtool.ModuleRoot(), "pkg", c.file)
		from := path
		if replace[path] != "" {
			from = replace[path]
		}
		b, err := os.ReadFile(from)
		if err != nil {
			return nil, err
		}
		if n := strings.Count(string(b), c.old); n != 1 {
			return nil, fmt.Errorf("%s: %q is %d times in %s, want once", m.name, c.old, n, c.file)
		}
		changed := filepath.Join(dir, fmt.Sprintf("mutant%d.go", n))
		if err := os.WriteFile(changed, []byte(strings.Replace(string(b), c.old, c.new, 1)), 0o644); err != nil {
			return nil, err
		}
		replace[path] = changed
	}
	list, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "overlay.json")
	return []string{"-overlay", file}, os.WriteFile(file, list, 0o644)
}
