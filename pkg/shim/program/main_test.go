package program

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// No test of this package uses os/exec: the reaper waits for every child of
// the process, as it does in the shim.

// begin starts a program without input. Its output is read by output.
func begin(t *testing.T, argv ...string) (p *Process, output func() string) {
	t.Helper()
	c, err := Resolve(argv, os.Environ())
	if err != nil {
		t.Fatal(err)
	}
	p, output, err = start(t, c)
	if err != nil {
		t.Fatal(err)
	}
	return p, output
}

func start(t *testing.T, c *Command) (p *Process, output func() string, err error) {
	t.Helper()
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	t.Cleanup(func() { r.Close() })
	p, err = Start(c, os.Environ(), [3]*os.File{null, w, w})
	if err == nil {
		t.Cleanup(p.Kill)
	}
	return p, func() string {
		b, _ := io.ReadAll(r)
		return string(b)
	}, err
}

// run runs a program to its end.
func run(t *testing.T, argv ...string) (*Process, string) {
	t.Helper()
	p, output := begin(t, argv...)
	out := output()
	<-p.Done()
	return p, out
}

// eventually waits for something that happens beside the test.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("within 20 s: %s", what)
		}
	}
}

// script writes an executable file.
func script(t *testing.T, lines ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "script")
	write(t, path, strings.Join(lines, "\n")+"\n", 0o755)
	return path
}
