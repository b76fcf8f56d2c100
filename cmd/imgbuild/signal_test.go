package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// command is the real imgbuild, with its store, working folder and HOME below dir.
func command(t *testing.T, dir string, args ...string) (*exec.Cmd, *bytes.Buffer, *bytes.Buffer) {
	t.Helper()
	// testscript.Main put it on PATH.
	cmd := exec.Command("imgbuild", args...)
	cmd.Dir = dir
	cmd.Env = append(machine(), "PATH="+os.Getenv("PATH"), "HOME="+filepath.Join(dir, "home"), "IMGBUILD_STORE="+filepath.Join(dir, "store"))
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	return cmd, &stdout, &stderr
}

// succeed runs imgbuild and returns its standard output.
func succeed(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd, stdout, stderr := command(t, dir, args...)
	if err := cmd.Run(); err != nil {
		t.Fatalf("imgbuild %q: %v: %s", args, err, stderr)
	}
	return stdout.String()
}

// stop starts imgbuild, sends the signal after a while, and returns how it
// ended. Like a terminal, it sends the signal to all processes of the command.
func stop(t *testing.T, after time.Duration, s syscall.Signal, dir string, args ...string) (code int, took time.Duration, stdout, stderr string) {
	t.Helper()
	return stopAt(t, func() { time.Sleep(after) }, s, dir, args...)
}

// stopAt is stop that sends the signal when come returns.
func stopAt(t *testing.T, come func(), s syscall.Signal, dir string, args ...string) (code int, took time.Duration, stdout, stderr string) {
	t.Helper()
	cmd, o, e := command(t, dir, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	come()
	sent := time.Now()
	_ = syscall.Kill(-cmd.Process.Pid, s) // it may have ended
	err := cmd.Wait()
	took = time.Since(sent)
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		status := exit.Sys().(syscall.WaitStatus)
		if status.Signaled() {
			return 128 + int(status.Signal()), took, o.String(), e.String()
		}
		return exit.ExitCode(), took, o.String(), e.String()
	} else if err != nil {
		t.Fatal(err)
	}
	return 0, took, o.String(), e.String()
}

// system is a definition whose layers take a second or two.
const system = `name: system
versions: {series: ["1"]}
platforms: [linux/amd64]
variants:
  - name: full
    layers:
      - name: os
        debian: {suite: trixie, packages: [perl-base, coreutils, bash, libstdc++6]}
      - name: hello
        files: [{path: /etc/hello, content: hello}]
    config: {cmd: [/bin/sh]}
`

// workshop is a folder with a locked definition and a store that has all its
// inputs and no layer, as a first build has it after the downloads.
type workshop struct {
	dir  string
	want string // what a build prints
}

func newWorkshop(t *testing.T) *workshop {
	t.Helper()
	w := &workshop{dir: t.TempDir()}
	folder := filepath.Join(w.dir, "system")
	if err := errors.Join(os.Mkdir(folder, 0o755), os.WriteFile(filepath.Join(folder, "image.yaml"), []byte(system), 0o644)); err != nil {
		t.Fatal(err)
	}
	succeed(t, w.dir, "lock", "./system", "--update")
	w.want = succeed(t, w.dir, "./system")
	w.forget(t)
	return w
}

// forget makes the store one that has inputs only.
func (w *workshop) forget(t *testing.T) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(w.dir, "store", "records")); err != nil {
		t.Fatal(err)
	}
}

// check wants a store and a folder with nothing half done, and a next run that
// makes the same image.
func (w *workshop) check(t *testing.T, killed bool) {
	t.Helper()
	if !killed {
		if left := files(t, filepath.Join(w.dir, "store", "tmp")); len(left) > 0 {
			t.Errorf("left in the store's tmp: %v", left)
		}
	}
	s, err := store.Open(filepath.Join(w.dir, "store"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files(t, filepath.Join(w.dir, "store", "blobs")) {
		if err := s.Verify(v1.Hash{Algorithm: "sha256", Hex: filepath.Base(name)}); err != nil {
			t.Errorf("in the store: %v", err)
		}
	}
	for _, name := range files(t, w.dir) {
		rel, _ := filepath.Rel(w.dir, name)
		if top, _, _ := strings.Cut(rel, "/"); top != "store" && top != "system" && top != "home" {
			t.Errorf("left behind: %s", rel)
		}
	}
	if got := succeed(t, w.dir, "./system", "--offline"); got != w.want {
		t.Errorf("the next run made %s, want %s", got, w.want)
	}
}

// TestInterrupted presses Ctrl-C, and sends SIGTERM, at moments all over a
// build, its output, a push and a lock.
func TestInterrupted(t *testing.T) {
	testtool.Whole(t)
	w := newWorkshop(t)
	for name, args := range map[string][]string{
		"build":  {"./system", "--offline"},
		"oci":    {"./system", "--offline", "--output", "type=oci,dest=image.tar"},
		"layout": {"./system", "--offline", "--output", "type=oci,dest=image"},
		"docker": {"./system", "--offline", "--output", "type=docker,dest=image.tar"},
		"push":   {"./system", "--offline", "--push", "--registry", "embedded"},
		"lock":   {"lock", "./system", "--update"},
	} {
		t.Run(name, func(t *testing.T) {
			succeed(t, w.dir, "./system", "--offline")
			w.clean(t, name)
			start := time.Now()
			succeed(t, w.dir, args...)
			whole := time.Since(start)
			lock := read(t, w.dir)
			interrupted := 0
			for i, share := range []float64{0.02, 0.2, 0.4, 0.6, 0.8, 0.95} {
				w.clean(t, name)
				sig, want := syscall.SIGINT, exitInterrupted
				if i%2 == 1 {
					sig, want = syscall.SIGTERM, exitTerminated
				}
				after := time.Duration(float64(whole) * share)
				code, took, stdout, stderr := stop(t, after, sig, w.dir, args...)
				// On a busy machine it may not have begun to listen for signals.
				for n := 0; n < 5 && code == want && after >= time.Second && stderr == "" && stdout == ""; n++ {
					w.clean(t, name)
					code, took, stdout, stderr = stop(t, after, sig, w.dir, args...)
				}
				switch {
				case code == 0: // it was quicker this time
					w.clean(t, name)
				case code == want && stderr == "" && stdout != "": // all was done, and it was about to end
					code = 0
					w.clean(t, name)
				case code == want && after < time.Second && stderr == "" && stdout == "":
					interrupted++ // before the program had begun to listen for signals
				case code != want:
					t.Errorf("after %s: exit code %d, want %d: %s", after, code, want, stderr)
				case !strings.Contains(stderr, "stopped by") || stdout != "":
					t.Errorf("after %s: stdout %q, stderr %q", after, stdout, stderr)
				default:
					interrupted++
				}
				if took > 30*time.Second {
					t.Errorf("after %s: it took %s to stop", after, took)
				}
				if code == 0 {
					continue
				}
				w.check(t, false)
				if now := read(t, w.dir); now != lock {
					t.Errorf("after %s: the lock has changed", after)
				}
			}
			if interrupted == 0 {
				t.Error("no run was interrupted")
			}
		})
	}
}

// clean puts the folder back to before a run.
func (w *workshop) clean(t *testing.T, name string) {
	t.Helper()
	for _, path := range []string{"image.tar", "image", "store/registry"} {
		if err := os.RemoveAll(filepath.Join(w.dir, path)); err != nil {
			t.Fatal(err)
		}
	}
	if name == "build" {
		w.forget(t)
	}
}

// TestKilled kills builds at moments all over them; the store is whole after
// each, and a last build is right.
func TestKilled(t *testing.T) {
	testtool.Whole(t)
	w := newWorkshop(t)
	var whole time.Duration
	killed := 0
	// The machine may have been busy when a whole one was timed: then once more.
	for i := 0; i < 10 || i < 40 && killed < 5; i++ {
		if i%10 == 0 {
			w.forget(t)
			start := time.Now()
			succeed(t, w.dir, "./system", "--offline")
			whole = time.Since(start)
		}
		w.forget(t)
		after := whole * time.Duration(i%10*10+3) / 100
		code, _, _, _ := stop(t, after, syscall.SIGKILL, w.dir, "./system", "--offline")
		if code == 128+int(syscall.SIGKILL) {
			killed++
		}
		if i%3 == 0 {
			w.check(t, true)
		}
	}
	w.check(t, true)
	if killed < 5 {
		t.Errorf("only %d builds were killed", killed)
	}
}

// TestTwoAtOnce builds the same image in two processes with one empty store:
// both succeed, and each layer is made once.
func TestTwoAtOnce(t *testing.T) {
	testtool.Whole(t)
	w := newWorkshop(t)
	if err := os.RemoveAll(filepath.Join(w.dir, "store")); err != nil {
		t.Fatal(err)
	}
	var said [2]string
	var wg sync.WaitGroup
	for i := range said {
		cmd, stdout, stderr := command(t, w.dir, "./system", "--progress", "plain")
		wg.Go(func() {
			if err := cmd.Run(); err != nil || stdout.String() != w.want {
				t.Errorf("process %d: %v, printed %q, want %q: %s", i, err, stdout, w.want, stderr)
			}
			said[i] = stderr.String()
		})
	}
	wg.Wait()
	for _, layer := range []string{"os", "hello"} {
		made := 0
		for _, s := range said {
			if strings.Contains(s, fmt.Sprintf(" layer %s (system 1)", layer)) {
				made++
			}
		}
		if made != 1 {
			t.Errorf("layer %s was made %d times", layer, made)
		}
	}
}

func read(t *testing.T, dir string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "system", "image.lock"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// files lists the files below dir.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			out = append(out, path)
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return out
}
