package conformance_test

import (
	ctx "context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/shim/conformance"
	"github.com/imgbuild/imgbuild/pkg/shim/conformance/local"
)

var scratch string

// judged is a shim to try in place of this checkout's.
var judged = flag.String("shim", "", "`path` of a shim to run TestShim on, in place of this checkout's")

func TestMain(m *testing.M) {
	var err error
	if scratch, err = os.MkdirTemp("", "conformance-*"); err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(scratch)
	os.Exit(code)
}

// program is the test program, compiled once.
var program = sync.OnceValues(func() (string, error) {
	path := filepath.Join(scratch, "program")
	return path, local.Compile(ctx.Background(), testtool.ModuleRoot(), path, "./pkg/shim/conformance/program")
})

// options are for a shim compiled with those flags.
func options(t *testing.T, name string, flags ...string) conformance.Options {
	t.Helper()
	testtool.NeedRoot(t)
	p, err := program()
	if err != nil {
		t.Fatal(err)
	}
	shim := filepath.Join(scratch, name)
	if *judged != "" {
		shim = *judged
	} else if err := local.Compile(t.Context(), testtool.ModuleRoot(), shim, "./cmd/shim", flags...); err != nil {
		t.Fatal(err)
	}
	return conformance.Options{Subject: local.Subject{Shim: shim, Dir: scratch}, Program: p}
}

// TestShim runs all rules on the shim of this checkout.
func TestShim(t *testing.T) {
	testtool.Need(t, "node", "nodejs")
	testtool.Need(t, "python3", "python3")
	o := options(t, "shim")
	var together sync.RWMutex
	for _, r := range conformance.Rules() {
		t.Run(r.Name, func(t *testing.T) {
			t.Parallel()
			together.RLock()
			result := conformance.Run(t.Context(), o, r)
			together.RUnlock()
			if result.Kept() {
				return
			}
			// Some rules are about time, and the machine may be busy: the
			// shim is judged by a run with nothing beside it.
			t.Logf("beside others: %s", result)
			together.Lock()
			defer together.Unlock()
			if result = conformance.Run(t.Context(), o, r); !result.Kept() {
				t.Errorf("%s\n%s", result, result.Log)
			}
		})
	}
}

// TestRules: each rule has what a report about it needs, and a name of its own.
func TestRules(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range conformance.Rules() {
		if seen[r.Name] || strings.Count(r.Name, "/") != 1 || r.Doc == "" || r.Source == "" || r.Run == nil {
			t.Errorf("%+v is not whole or has the name of another", r)
		}
		seen[r.Name] = true
	}
}
