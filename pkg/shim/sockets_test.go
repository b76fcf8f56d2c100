package shim

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/internal/testtool"
)

// TestUnixSocket: a program that listens on a Unix socket only is found,
// wherever that is.
func TestUnixSocket(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "app.sock")
	for name, command := range map[string][]string{
		"absolute":    runs("serve", "unix:"+socket),
		"late":        runs("serve", "600ms@unix:"+socket),
		"relative":    append([]string{"sh", "-c", `cd "$0" && exec "$@"`, t.TempDir()}, runs("serve", "unix:here.sock")...),
		"no server's": runs("serve", "unix:"+filepath.Join(t.TempDir(), "dotnet-diagnostic-7-1-socket"), "100ms@unix:"+socket),
		// Another run of this test may have the same port on its own address.
		"a debugger's": runs("serve", fmt.Sprintf("tcp:127.%d.%d.1:9229", 1+os.Getpid()>>8%250, os.Getpid()%256), "unix:"+socket),
	} {
		t.Run(name, func(t *testing.T) {
			_ = os.Remove(socket)
			c := launch(t, command)
			c.ready()
			status, body := c.get("/x")
			if status != 200 || !strings.HasPrefix(body, "unix:") || !strings.Contains(body, ".sock ") || strings.Contains(body, "dotnet") {
				t.Errorf("%d %q", status, body)
			}
		})
	}
}

// TestUnixAndTCP: TCP wins, also where it comes later.
func TestUnixAndTCP(t *testing.T) {
	port, later := freePort(t), filepath.Join(t.TempDir(), "later")
	c := launch(t, runs("serve", "unix:"+filepath.Join(t.TempDir(), "s"), fmt.Sprintf("%s@tcp::%d", later, port)))
	c.ready()
	if _, body := c.get("/"); !strings.HasPrefix(body, "unix:") {
		t.Errorf("before it listens on TCP: %q", body)
	}
	write(t, later, "", 0o600)
	eventually(t, "requests go to the port", func() bool {
		_, body := c.get("/")
		return strings.Contains(body, fmt.Sprint(port))
	})
}

// TestDaemon: the program has forked twice, into a session of its own, and its
// first process stays.
func TestDaemon(t *testing.T) {
	for name, setups := range map[string][]setup{"PID 1": {asPID1}, "subreaper": nil} {
		t.Run(name, func(t *testing.T) {
			command := append([]string{"sh", "-c", `(setsid "$@" &) ; sleep 60; :`, "sh"}, runs("serve")...)
			c := launch(t, command, append(setups, env("SHIM_GRACE=1s"))...)
			c.ready()
			if status, _ := c.get("/"); status != 200 {
				t.Error(status)
			}
		})
	}
}

// TestHiddenUnix is TestHiddenProgram with a Unix socket, and as PID 1.
func TestHiddenUnix(t *testing.T) {
	testtool.NeedRoot(t)
	setpriv := testtool.Need(t, "setpriv", "util-linux")
	for name, setups := range map[string][]setup{"PID 1": {asPID1}, "subreaper": nil} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for d := dir; strings.Contains(d, "TestHidden"); d = filepath.Dir(d) {
				if err := os.Chmod(d, 0o777); err != nil {
					t.Fatal(err)
				}
			}
			c := launch(t, runs("demote", "unix:"+dir+"/s"), append(setups, func(c *exec.Cmd) {
				c.Args = append([]string{setpriv, "--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace", c.Path}, c.Args[1:]...)
				c.Path = setpriv
			})...)
			c.ready()
			if status, body := c.get("/"); status != 200 || !strings.HasPrefix(body, "unix:") {
				t.Errorf("%d %q", status, body)
			}
		})
	}
}

// TestInterpreters: servers as people write them, of which none obeys.
func TestInterpreters(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s.sock")
	port := freePort(t)
	for name, command := range map[string][]string{
		"node":      {"node", "-e", fmt.Sprintf(`require("http").createServer((q, r) => r.end("node " + q.url)).listen(%d)`, port)},
		"node unix": {"node", "-e", fmt.Sprintf(`require("http").createServer((q, r) => r.end("node unix " + q.url)).listen(%q)`, socket)},
		"python3":   {"python3", "-c", fmt.Sprintf("import http.server as h, sys\nclass H(h.BaseHTTPRequestHandler):\n  def do_GET(s): s.send_response(200); s.end_headers(); s.wfile.write(('python3 '+s.path).encode())\nh.HTTPServer(('127.0.0.1', %d), H).serve_forever()", port)},
	} {
		t.Run(name, func(t *testing.T) {
			testtool.Need(t, command[0], command[0])
			c := launch(t, command)
			c.ready()
			if status, body := c.get("/x?y"); status != 200 || body != name+" /x?y" {
				t.Errorf("%d %q", status, body)
			}
		})
	}
}

// TestBusyStart: a program that works on after it has begun to listen is not
// believed to be ready, and gets the shim's port although it takes it late.
func TestBusyStart(t *testing.T) {
	other, own := freePort(t), freePort(t)
	c := launch(t, runs("serve", fmt.Sprintf("tcp::%d", other), fmt.Sprintf("busy 600ms@tcp:127.0.0.1:%d", own)), env(fmt.Sprintf("SHIM_LISTEN=127.0.0.1:%d", own)))
	c.ready()
	if _, body := c.get("/"); !strings.Contains(body, fmt.Sprint(own)) {
		t.Errorf("%q answers on the shim's port", body)
	}
	if out := c.stdout.String() + c.stderr.String(); out != "" {
		t.Errorf("the shim took the port, or the program did not get it: %s", out)
	}
}

// TestFrozenGrace: a container that is frozen while it stops has its grace
// when it is thawed.
func TestFrozenGrace(t *testing.T) {
	c := launch(t, runs("signals", "stubborn"), env("SHIM_GRACE=1s"))
	eventually(t, "it runs", func() bool { return strings.Contains(c.stdout.String(), "waits") })
	pid := c.cmd.Process.Pid
	asked := time.Now()
	_ = syscall.Kill(pid, syscall.SIGTERM)
	eventually(t, "the program is asked", func() bool { return strings.Contains(c.stdout.String(), "stubborn 15") })
	_ = syscall.Kill(pid, syscall.SIGSTOP)
	before := time.Since(asked)
	time.Sleep(1500 * time.Millisecond)
	thawed := time.Now()
	_ = syscall.Kill(pid, syscall.SIGCONT)
	if code := c.code(30 * time.Second); code != 137 {
		t.Errorf("exit code %d", code)
	}
	if d := time.Since(thawed); before+d < 900*time.Millisecond {
		t.Errorf("it was killed %s after the thaw, and had %s before the freeze", d, before)
	}
}

// TestOutOfMemory: Linux ends a program that takes more than its container has.
func TestOutOfMemory(t *testing.T) {
	testtool.NeedRoot(t)
	root, limit := "/sys/fs/cgroup", "memory.max"
	if _, err := os.Stat(root + "/memory/memory.limit_in_bytes"); err == nil {
		root, limit = root+"/memory", "memory.limit_in_bytes"
	}
	group := filepath.Join(root, fmt.Sprintf("imgbuild-test-%d", os.Getpid()))
	if err := os.Mkdir(group, 0o755); err != nil {
		testtool.Lacking(t, "making a cgroup: "+err.Error())
	}
	defer func() { eventually(t, "the cgroup is removed", func() bool { return os.Remove(group) == nil }) }()
	if err := os.WriteFile(filepath.Join(group, limit), []byte("268435456"), 0o644); err != nil {
		testtool.Lacking(t, "limiting a cgroup: "+err.Error())
	}
	// What the program had is not free at once. Linux may take the shim, too,
	// if it needs memory then, which nobody can tell of: that time is no trial.
	for range 20 {
		c := launch(t, runs("hog"), func(c *exec.Cmd) {
			c.Args = append([]string{"sh", "-c", `echo $$ >"$0"/cgroup.procs && exec "$@"`, group, c.Path}, c.Args[1:]...)
			c.Path = "/bin/sh"
		})
		code := c.code(60 * time.Second)
		if s, ok := c.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && s.Signaled() && s.Signal() == syscall.SIGKILL {
			continue
		}
		if code != 137 || !strings.Contains(c.stderr.String(), "was killed because the container ran out of memory (its limit is 256 MB)") {
			t.Errorf("%v, %q", c.cmd.ProcessState, c.stderr.String())
		}
		return
	}
	t.Error("the shim was killed each time")
}
