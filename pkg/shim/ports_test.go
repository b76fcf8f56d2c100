package shim

import (
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/shim/discovery"
	"github.com/imgbuild/imgbuild/pkg/shim/program"
)

// TestPorts: wherever the program listens, requests reach it.
func TestPorts(t *testing.T) {
	for _, test := range []struct{ name, listen string }{
		{"any other port", "tcp::%d"},
		{"loopback only", "tcp:127.0.0.1:%d"},
		{"IPv4 only", "tcp4:0.0.0.0:%d"},
		{"IPv6 only", "tcp6:[::]:%d"},
		{"IPv6 loopback", "tcp6:[::1]:%d"},
		{"late", "700ms@tcp::%d"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			listen := fmt.Sprintf(test.listen, freePort(t))
			c := launch(t, runs("serve", listen))
			c.ready()
			if status, body := c.get("/x?y"); status != 200 || !strings.HasSuffix(body, " GET function.example /x?y\n") {
				t.Errorf("%d %q", status, body)
			}
		})
	}
}

func TestToldPort(t *testing.T) {
	c := launch(t, runs("serve"), env("FC_CUSTOM_LISTEN_PORT=", "FC_SERVER_PORT="))
	c.ready()
	_, told := c.get("/env?PORT")
	for _, name := range []string{"FC_SERVER_PORT", "FC_CUSTOM_LISTEN_PORT"} {
		if _, got := c.get("/env?" + name); got != told || got == "" {
			t.Errorf("%s is %q, PORT is %q", name, got, told)
		}
	}
}

// TestDescendant: not the program itself listens but a child of a child.
func TestDescendant(t *testing.T) {
	command := append([]string{"sh", "-c", `sh -c '"$@"; :' sh "$@"; :`, "sh"}, runs("serve")...)
	c := launch(t, command, asPID1)
	c.ready()
	if status, _ := c.get("/"); status != 200 {
		t.Error(status)
	}
}

// TestOwnPort: a program that has the shim's port written into it keeps it.
func TestOwnPort(t *testing.T) {
	for name, listen := range map[string]string{"all": "tcp:%s", "IPv4": "tcp4:%s", "late": "400ms@tcp:%s"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			port := freePort(t)
			c := launch(t, runs("serve", fmt.Sprintf(listen, fmt.Sprintf(":%d", port))), env(fmt.Sprintf("SHIM_LISTEN=127.0.0.1:%d", port)))
			c.ready()
			if _, body := c.get("/"); !strings.Contains(body, "GET") {
				t.Errorf("the program does not answer: %q", body)
			}
			time.Sleep(300 * time.Millisecond)
			if out := c.stdout.String() + c.stderr.String(); out != "" {
				t.Errorf("the shim took the port or had something to say: %s", out)
			}
		})
	}
}

// TestOwnPortTooLate: a program that takes the shim's port long after another
// finds it taken, and is told how to get it.
func TestOwnPortTooLate(t *testing.T) {
	port, other, now := freePort(t), freePort(t), filepath.Join(t.TempDir(), "now")
	listens := func(when string) []string {
		return runs("serve", fmt.Sprintf("tcp4:0.0.0.0:%d", other), fmt.Sprintf("%s@tcp4:0.0.0.0:%d", when, port))
	}
	hint := fmt.Sprintf("set SHIM_TARGET=%d", port)
	c := launch(t, listens(now), env(fmt.Sprintf("SHIM_LISTEN=:%d", port)))
	c.ready()
	write(t, now, "", 0o600)
	if code := c.code(30 * time.Second); code != 7 || !strings.Contains(c.stderr.String(), hint) {
		t.Errorf("exit code %d, %q does not say %q", code, c.stderr.String(), hint)
	}

	c = launch(t, listens("1500ms"), env(fmt.Sprintf("SHIM_LISTEN=:%d", port), fmt.Sprintf("SHIM_TARGET=%d", port)))
	c.addr = fmt.Sprintf("127.0.0.1:%d", port)
	c.ready()
	if _, body := c.get("/"); !strings.Contains(body, fmt.Sprint(port)) {
		t.Errorf("with SHIM_TARGET: %q", body)
	}
}

// TestOwnPortLoopback: the program has the port for loopback only; the shim
// takes it on the other addresses.
func TestOwnPortLoopback(t *testing.T) {
	outside := ""
	addrs, _ := net.InterfaceAddrs()
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && !n.IP.IsLoopback() {
			outside = n.IP.String()
		}
	}
	for _, host := range []string{"127.0.0.1", "[::1]"} {
		if host == "127.0.0.1" && outside == "" {
			t.Log("this machine has no address but loopback: IPv4 cannot be tried")
			continue
		}
		port := freePort(t)
		c := launch(t, runs("serve", fmt.Sprintf("tcp:%s:%d", host, port)), env(fmt.Sprintf("SHIM_LISTEN=:%d", port)))
		c.addr = fmt.Sprintf("%s:%d", outside, port)
		if outside == "" || host == "[::1]" {
			c.addr = fmt.Sprintf("127.0.0.1:%d", port)
		}
		c.ready()
		if status, body := c.get("/"); status != 200 {
			t.Errorf("%s: %d %q", host, status, body)
		}
		eventually(t, host+" by way of the shim", func() bool { return strings.Contains(c.stdout.String(), "FC Invoke Start") })
	}
}

// TestSeveralPorts: the told one wins, also where it comes later.
func TestSeveralPorts(t *testing.T) {
	told, other, later := freePort(t), freePort(t), filepath.Join(t.TempDir(), "later")
	c := launch(t, runs("serve", fmt.Sprintf("tcp::%d", other), fmt.Sprintf("%s@tcp::%d", later, told)), env(fmt.Sprintf("PORT=%d", told)))
	c.ready()
	if _, body := c.get("/"); !strings.Contains(body, fmt.Sprint(other)) {
		t.Errorf("before the told port is there: %q", body)
	}
	write(t, later, "", 0o600)
	eventually(t, "requests go to the told port", func() bool {
		_, body := c.get("/")
		return strings.Contains(body, fmt.Sprint(told))
	})
}

func TestTarget(t *testing.T) {
	want, socket := freePort(t), t.TempDir()+"/s"
	for target, listen := range map[string]string{fmt.Sprint(want): fmt.Sprintf("300ms@tcp::%d", want), socket: "300ms@unix:" + socket} {
		c := launch(t, runs("serve", "tcp::"+fmt.Sprint(freePort(t)), listen), env("SHIM_TARGET="+target))
		c.ready()
		if _, body := c.get("/"); !strings.Contains(body, target) {
			t.Errorf("SHIM_TARGET=%s: %q", target, body)
		}
	}
}

func TestListenUnix(t *testing.T) {
	socket := t.TempDir() + "/shim"
	for range 2 { // the second time a socket is left behind
		c := launch(t, runs("serve"), env("SHIM_LISTEN="+socket))
		c.ready()
		if status, _ := c.get("/"); status != 200 {
			t.Error(status)
		}
		left := program.Descendants(c.cmd.Process.Pid)
		_ = c.cmd.Process.Kill()
		c.code(30 * time.Second)
		for _, pid := range left {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// TestNeverListens: a function that listens nowhere is answered for, in words.
func TestNeverListens(t *testing.T) {
	c := launch(t, []string{"sleep", "30"}, env("SHIM_READY_TIMEOUT=800ms", "FC_FUNCTION_NAME=f", "SHIM_GRACE=1s"))
	c.ready()
	status, body := c.get("/", "x-fc-request-id", "abc")
	if status != 502 || !strings.HasPrefix(body, `{"errorType":"ProgramNotListening","errorMessage":"`) || !strings.HasSuffix(body, `"requestId":"abc"}`+"\n") {
		t.Errorf("%d %s", status, body)
	}
	want := "FC Invoke End RequestId: abc, Error: Unhandled function error\n"
	eventually(t, want, func() bool { return strings.HasSuffix(c.stdout.String(), want) })
	// A command that is no function never has its port opened for it.
	c = launch(t, []string{"sleep", "3"}, env("SHIM_READY_TIMEOUT=200ms"))
	time.Sleep(time.Second)
	if discovery.Probe(c.addr) {
		t.Error("the port was opened for a command that is no server")
	}
}

// TestStranger: the port belongs to a process outside of the container.
func TestStranger(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := launch(t, runs("serve"), env("SHIM_LISTEN="+l.Addr().String()))
	if code := c.code(30 * time.Second); code != 1 || !strings.Contains(c.stderr.String(), "address already in use") {
		t.Errorf("exit code %d, stderr %q", code, c.stderr.String())
	}
}

// TestHiddenProgram: the program becomes another user, and the shim may not
// look at its files, as in a container without CAP_SYS_PTRACE.
func TestHiddenProgram(t *testing.T) {
	testtool.NeedRoot(t)
	setpriv := testtool.Need(t, "setpriv", "util-linux")
	c := launch(t, runs("demote", fmt.Sprintf("tcp::%d", freePort(t))), func(c *exec.Cmd) {
		c.Args = append([]string{setpriv, "--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace", c.Path}, c.Args[1:]...)
		c.Path = setpriv
	})
	c.ready()
	if status, _ := c.get("/"); status != 200 {
		t.Error(status)
	}
	hidden := false
	for _, pid := range program.Descendants(c.cmd.Process.Pid) {
		var st syscall.Stat_t
		hidden = hidden || syscall.Stat(fmt.Sprintf("/proc/%d/task", pid), &st) == nil && st.Uid == 65534
	}
	if !hidden {
		t.Error("the program did not become another user")
	}
}
