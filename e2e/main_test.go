// Package e2e tests imgbuild as its users have it: the built binary, real
// mirrors, a real registry, and the programs that pull and run images. It
// wants root (containers) and, cold, some minutes and 8 GB of disk.
//
// What the docs say is run here too, as it is printed (blocks_test.go).
//
// All tests share one store, in IMGBUILD_TEST_STORE or else in a folder that
// goes away, one registry and one dockerd.
package e2e

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/imgbuild/imgbuild/internal/testtool"
)

var (
	// binary is imgbuild, built from this checkout. It has no C, as releases.
	binary string
	// scratch goes away after the tests. Its path is short: sockets are there.
	scratch string
	// sharedStore is the store of all tests that do not damage it.
	sharedStore string
)

func TestMain(m *testing.M) {
	flag.Parse()
	if testing.Short() {
		fmt.Println("e2e: all tests are long, and left out with -short")
		return
	}
	err := enterCloud()
	code := 1
	if err == nil {
		code, err = setUp(m)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = 1
	}
	os.Exit(code)
}

func setUp(m *testing.M) (code int, err error) {
	scratch, err = os.MkdirTemp("", "e2e-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(scratch)
	defer func() { cleanUp.run() }()
	if os.Getenv(cloudAddress) != "" {
		dir, err := trust()
		if err != nil {
			return 1, err
		}
		defer os.RemoveAll(dir)
	}
	if sharedStore = os.Getenv("IMGBUILD_TEST_STORE"); sharedStore == "" {
		sharedStore = filepath.Join(scratch, "store")
	}
	binary = filepath.Join(scratch, "imgbuild")
	if err := compile(binary); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

// compile builds imgbuild with more arguments for go build.
func compile(out string, args ...string) error {
	cmd := exec.CommandContext(context.Background(), "go", append(append([]string{"build", "-o", out}, args...), "./cmd/imgbuild")...)
	cmd.Dir = testtool.ModuleRoot()
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building imgbuild: %w: %s", err, said)
	}
	return nil
}

// cleanUp holds what ends with the last test.
var cleanUp closers

type closers struct {
	mu  sync.Mutex
	all []func()
}

func (c *closers) add(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, f)
}

func (c *closers) run() {
	for i := len(c.all) - 1; i >= 0; i-- {
		c.all[i]()
	}
}
