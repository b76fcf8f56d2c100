package main

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestStartPortTaken: a port that another program listens on is told, with what
// to do, and nothing is served.
func TestStartPortTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "bootstrap"), []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	cmd, stdout, stderr := command(t, dir, "start", "--port", port)
	exit, ok := errors.AsType[*exec.ExitError](cmd.Run())
	if !ok || exit.ExitCode() != exitFailed || stdout.Len() > 0 {
		t.Errorf("%v, printed %q; want exit code %d and nothing", exit, stdout, exitFailed)
	}
	for _, want := range []string{"127.0.0.1:" + port, "address already in use", "free the port, or take another with --port"} {
		if !strings.Contains(stderr.String(), want) {
			t.Errorf("it says %q; want %q", stderr, want)
		}
	}
}
