package e2e

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/internal/testtool"
)

// A function that is edited while imgbuild start serves it: the next answers are
// the new function's, also after an edit that cannot be built.
func TestStart(t *testing.T) {
	testtool.NeedRoot(t)
	for _, c := range []struct{ dir, file, old, edited, broken string }{
		{"golang", "main.go", "hello from", "good day from", "package main\n\nfunc main() {\n"},
		{"node-handler", "index.js", "hello from", "good day from", "exports.handler = (\n"},
		{"typescript-handler", "src/index.ts", ": ${method}", ": a ${method}", "export const n: number = \"text\";\n"},
	} {
		t.Run(c.dir, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "hello")
			if err := os.CopyFS(dir, os.DirFS(example(c.dir))); err != nil {
				t.Fatal(err)
			}
			url := startServing(t, "start", dir, "--no-dockerfile", "--port", "0")
			source := filepath.Join(dir, c.file)
			text := readText(t, source)
			waitFor(t, url, strings.ReplaceAll(c.old, "${method}", "GET"))

			save := func(text string) {
				t.Helper()
				if err := os.WriteFile(source, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			begun := time.Now()
			save(strings.ReplaceAll(text, c.old, c.edited))
			waitFor(t, url, strings.ReplaceAll(c.edited, "${method}", "GET"))
			t.Logf("answered %s after the edit", time.Since(begun).Round(time.Millisecond))
			save(c.broken)
			waitFor(t, url, "") // it fails, in whatever way
			save(text)
			waitFor(t, url, strings.ReplaceAll(c.old, "${method}", "GET"))
		})
	}
}

// startServing runs imgbuild until the test ends and returns the address that
// it prints. Ctrl-C ends it well.
func startServing(t testing.TB, args ...string) string {
	t.Helper()
	return run{}.serve(t, args...)
}

func (r run) serve(t testing.TB, args ...string) string {
	t.Helper()
	cmd := r.command(t, args...)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGINT)
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		select {
		case err := <-ended:
			if exit, ok := err.(*exec.ExitError); ok && exit.ExitCode() != 130 {
				t.Errorf("after Ctrl-C: %v", err)
			}
		case <-time.After(time.Minute):
			_ = cmd.Process.Kill()
			t.Error("Ctrl-C does not end it")
		}
		if t.Failed() {
			t.Logf("it says: %s", tail(said.String()))
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("it prints no address: %v: %s", err, said.String())
	}
	return strings.TrimSpace(line)
}

// waitFor asks until the answer has a text; "" stands for a failure.
func waitFor(t testing.TB, url, want string) {
	t.Helper()
	last := ""
	for until := time.Now().Add(time.Minute); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
		res, err := http.Get(url + "http/hello/")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		last = res.Status + " " + string(body)
		if err == nil && (want != "" && res.StatusCode == http.StatusOK && strings.Contains(string(body), want) || want == "" && res.StatusCode >= 400) {
			return
		}
	}
	t.Fatalf("it does not answer %q, but %s", want, last)
}
