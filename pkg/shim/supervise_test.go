package shim

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/internal/testtool"
)

func TestExitCode(t *testing.T) {
	for _, pid1 := range []bool{true, false} {
		var setups []setup
		if pid1 {
			setups = append(setups, asPID1)
		}
		for command, want := range map[string]int{"true": 0, "exit 3": 3, "exit 255": 255, "kill -9 $$": 137, "kill -15 $$": 143, "kill -10 $$": 138, "ulimit -c 0; kill -6 $$": 134} {
			if got := launch(t, []string{"sh", "-c", command}, setups...).code(30 * time.Second); got != want {
				t.Errorf("%s (PID 1: %t): exit code %d, want %d", command, pid1, got, want)
			}
		}
	}
}

func TestCommandIsUntouched(t *testing.T) {
	c := launch(t, []string{"sh", "-c", `echo "$1|$2"; cat; echo err >&2; printf unended`, "sh", "a  b", ""}, func(c *exec.Cmd) { c.Stdin = strings.NewReader("from stdin\n") })
	if code := c.code(30 * time.Second); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if got, want := c.stdout.String(), "a  b|\nfrom stdin\nunended"; got != want {
		t.Errorf("stdout %q, want %q", got, want)
	}
	if got := c.stderr.String(); got != "err\n" {
		t.Errorf("stderr %q", got)
	}
}

func TestNode(t *testing.T) {
	testtool.Need(t, "node", "nodejs")
	c := launch(t, []string{"node", "-e", "console.log(1)"}, asPID1)
	if code, out := c.code(30*time.Second), c.stdout.String(); code != 0 || out != "1\n" || c.stderr.String() != "" {
		t.Errorf("code %d, stdout %q, stderr %q", code, out, c.stderr.String())
	}
}

func TestOrderOfOneOutput(t *testing.T) {
	c := launch(t, []string{"sh", "-c", "for i in 1 2 3 4 5 6 7 8; do echo out$i; echo err$i >&2; done"}, func(c *exec.Cmd) { c.Stderr = c.Stdout })
	c.code(30 * time.Second)
	var want strings.Builder
	for i := 1; i <= 8; i++ {
		fmt.Fprintf(&want, "out%d\nerr%d\n", i, i)
	}
	if c.stdout.String() != want.String() {
		t.Errorf("2>&1 came out as %q", c.stdout.String())
	}
}

func TestOrphans(t *testing.T) {
	c := launch(t, runs("orphans", "10000"), asPID1)
	code := c.code(120 * time.Second)
	if got, want := c.stdout.String(), "zombies: 0, own child waited for, pid of parent: 1\n"; code != 0 || got != want {
		t.Errorf("exit code %d, %q, want %q", code, got, want)
	}
}

// TestSubreaper runs the shim where it is not PID 1: orphans still come to it.
func TestSubreaper(t *testing.T) {
	// It gives its first parent, which is ending, time to be gone.
	c := launch(t, []string{"sh", "-c", `export want=$PPID
		(sh -c 'i=0; while p=$(cut -d" " -f4 /proc/$$/stat); [ $p != $want ] && [ $i -lt 100 ]; do i=$((i+1)); sleep 0.1; done; echo $p; : >"$0"' "$0" &)
		while [ ! -e "$0" ]; do sleep 0.05; done`, filepath.Join(t.TempDir(), "told")})
	c.code(30 * time.Second)
	if got := strings.TrimSpace(c.stdout.String()); got != strconv.Itoa(c.cmd.Process.Pid) {
		t.Errorf("the orphan's parent is %s, want the shim %d", got, c.cmd.Process.Pid)
	}
}

func TestSignals(t *testing.T) {
	c := launch(t, runs("signals", "parent", "with child"))
	eventually(t, "both run", func() bool {
		return strings.Contains(c.stdout.String(), "parent waits") && strings.Contains(c.stdout.String(), "child waits")
	})
	for _, s := range []syscall.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGWINCH, 40} {
		if err := c.cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
		eventually(t, "both got signal "+s.String(), func() bool {
			out := c.stdout.String()
			return strings.Contains(out, fmt.Sprintf("parent %d\n", s)) && strings.Contains(out, fmt.Sprintf("child %d\n", s))
		})
	}
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	if code := c.code(30 * time.Second); code != 5 {
		t.Errorf("exit code %d, want the program's 5", code)
	}
}

func TestGrace(t *testing.T) {
	c := launch(t, runs("signals", "stubborn"), asPID1, env("SHIM_GRACE=700ms"))
	eventually(t, "it runs", func() bool { return strings.Contains(c.stdout.String(), "waits") })
	start := time.Now()
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	code := c.code(30 * time.Second)
	if d := time.Since(start); code != 137 || d < 600*time.Millisecond || d > 5*time.Second {
		t.Errorf("exit code %d after %s, want 137 after 700ms", code, d)
	}
	if !strings.Contains(c.stdout.String(), "stubborn 15") {
		t.Error("it was killed without being asked")
	}
}

// TestLeftBehind: the shim leaves with its program, though a daemon holds the
// output open and fills it.
func TestLeftBehind(t *testing.T) {
	for _, setups := range [][]setup{{asPID1}, nil} {
		c := launch(t, runs("leaver"), append(setups, func(c *exec.Cmd) { c.WaitDelay = 5 * time.Second })...)
		// Wait reports the pipe that the daemon holds; the process is what counts.
		eventually(t, "the shim has left", func() bool {
			select {
			case <-c.ended:
				return true
			default:
				return false
			}
		})
		if c.cmd.ProcessState.ExitCode() != 0 || !strings.Contains(c.stdout.String(), "left behind") {
			t.Errorf("exit code %d, stdout %.200q", c.cmd.ProcessState.ExitCode(), c.stdout.String())
		}
		var pid int
		if _, err := fmt.Sscanf(c.stdout.String(), "left behind %d", &pid); err == nil && setups == nil {
			eventually(t, "the daemon is ended", func() bool { return syscall.Kill(pid, 0) != nil })
		}
	}
}

// TestBrokenOutput: nobody reads; the program gets SIGPIPE as without a shim.
func TestBrokenOutput(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	c := launch(t, []string{"sh", "-c", "trap '' TERM; yes; exit 4"}, func(c *exec.Cmd) { c.Stdout = w })
	w.Close()
	b := make([]byte, 1<<16)
	if _, err := r.Read(b); err != nil {
		t.Fatal(err)
	}
	r.Close()
	if code := c.code(30 * time.Second); code != 4 {
		t.Errorf("exit code %d, want 4", code)
	}
}

// TestSlowReader: output that is read slowly is whole although the program has
// long ended.
func TestSlowReader(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	c := launch(t, []string{"sh", "-c", "head -c 180000 /dev/zero"}, func(c *exec.Cmd) { c.Stdout = w })
	w.Close()
	time.Sleep(1500 * time.Millisecond)
	total, b := 0, make([]byte, 10000)
	for {
		n, err := r.Read(b)
		total += n
		if err != nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if total != 180000 {
		t.Errorf("%d of 180000 bytes came through", total)
	}
	c.code(30 * time.Second)
}

func TestBootstrap(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "bootstrap"), "#!/bin/sh\npwd\n", 0o755)
	c := launch(t, nil, env("FC_FUNC_CODE_PATH="+dir))
	if code := c.code(30 * time.Second); code != 0 || c.stdout.String() != dir+"\n" {
		t.Errorf("exit code %d, stdout %q", code, c.stdout.String())
	}
}

func write(t *testing.T, path, content string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}
