package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// run is one call of imgbuild.
type run struct {
	binary string // "" is the shared one
	store  string // "" is the shared one
	dir    string // working directory
	env    []string
	// umask for the process, "" for the test's own.
	umask string
}

// said is what a call came to.
type said struct {
	stdout, stderr string
	code           int
}

// do runs imgbuild and returns what it said, whatever the exit code.
func (r run) do(t testing.TB, args ...string) said {
	t.Helper()
	cmd := r.command(t, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	start := time.Now()
	err := cmd.Run()
	s := said{stdout: stdout.String(), stderr: stderr.String()}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		s.code = exit.ExitCode()
	} else if err != nil {
		t.Fatalf("imgbuild %s: %v", strings.Join(args, " "), err)
	}
	t.Logf("imgbuild %s: exit %d in %s", strings.Join(args, " "), s.code, time.Since(start).Round(time.Millisecond))
	return s
}

// ok runs imgbuild, which must succeed, and returns its standard output.
func (r run) ok(t testing.TB, args ...string) string {
	t.Helper()
	s := r.do(t, args...)
	if s.code != 0 {
		t.Fatalf("imgbuild %s: exit %d: %s", strings.Join(args, " "), s.code, tail(s.stderr))
	}
	return s.stdout
}

// results is ok with --json.
func (r run) results(t testing.TB, args ...string) []result {
	t.Helper()
	out := r.ok(t, append(args, "--json")...)
	var rs []result
	if err := json.Unmarshal([]byte(out), &rs); err != nil || len(rs) == 0 {
		t.Fatalf("imgbuild %s printed %q: %v", strings.Join(args, " "), out, err)
	}
	return rs
}

func (r run) command(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
	t.Cleanup(cancel)
	if r.binary == "" {
		r.binary = binary
	}
	if r.store == "" {
		r.store = sharedStore
	}
	argv := append([]string{r.binary}, args...)
	if r.umask != "" {
		argv = append([]string{"sh", "-c", `umask "$0" && exec "$@"`, r.umask}, argv...)
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir = r.dir
	cmd.Env = append(append(os.Environ(), "IMGBUILD_STORE="+r.store), r.env...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

// result is one image in imgbuild's JSON output.
type result struct {
	Reference string
	Name      string
	Version   string
	Variant   string
	Tags      []string
	Digest    string
	Platforms []string
	Size      int64
}

// tail is the end of what a program said, enough to see what was wrong.
func tail(s string) string { return s[max(0, len(s)-3000):] }
