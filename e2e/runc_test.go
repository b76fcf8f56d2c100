package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/internal/testtool"
)

// bundle unpacks an image for runc.
func bundle(t testing.TB, img v1.Image, args ...string) *testtool.Bundle {
	t.Helper()
	testtool.NeedRoot(t)
	testtool.Need(t, "runc", "runc")
	testtool.Need(t, "tar", "tar")
	id := fmt.Sprintf("e2e-%d-%d", os.Getpid(), builds.Add(1))
	b, err := testtool.NewBundle(t.Context(), img, t.TempDir(), id, args...)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// runcContainer is a container of plain runc, with a network of its own.
type runcContainer struct {
	bundle *testtool.Bundle
	log    string
	done   chan error
}

func startInRunc(t testing.TB, b *testtool.Bundle) *runcContainer {
	t.Helper()
	c := &runcContainer{bundle: b, log: filepath.Join(b.Dir, "log"), done: make(chan error, 1)}
	out, err := os.Create(c.log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	cmd := b.Run(ctx)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { c.done <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = b.Command(context.Background(), "delete", "--force", b.ID).Run()
		cancel()
		out.Close()
	})
	return c
}

func (c *runcContainer) pid(t testing.TB) int {
	pid, err := c.bundle.PID(t.Context())
	if err != nil {
		return 0
	}
	return pid
}

func (c *runcContainer) logs(testing.TB) string {
	data, err := os.ReadFile(c.log)
	if err != nil {
		return err.Error()
	}
	return string(data)
}

func (c *runcContainer) terminate(t testing.TB) int {
	t.Helper()
	if said, err := c.bundle.Command(t.Context(), "kill", c.bundle.ID, "TERM").CombinedOutput(); err != nil {
		t.Fatalf("runc kill: %v: %s", err, said)
	}
	select {
	case err := <-c.done:
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			return exit.ExitCode()
		}
		if err != nil {
			t.Fatal(err)
		}
		return 0
	case <-time.After(20 * time.Second):
		_ = syscall.Kill(c.pid(t), syscall.SIGKILL)
		t.Fatal("the container does not end")
		return -1
	}
}

// Arguments are run under the shim by plain runc too, in the full and in the
// slim image.
func TestRunc(t *testing.T) {
	for _, tag := range []string{"node:latest", "node:latest-slim"} {
		t.Run(tag, func(t *testing.T) {
			b := bundle(t, pull(t, image(t, tag), "linux/amd64"), "node", "-e", nodeProgram)
			cmd := b.Run(t.Context())
			var stderr strings.Builder
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			exit, _ := errors.AsType[*exec.ExitError](err)
			if exit == nil || exit.ExitCode() != 7 || string(out) != nodeSays || stderr.String() != "and this\n" {
				t.Errorf("runc gives %v, %q on stdout and %q on stderr", err, out, &stderr)
			}
		})
	}
}
