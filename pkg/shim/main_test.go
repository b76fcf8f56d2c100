package shim

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/pkg/shim/discovery"
)

// The test binary is also the shim and the programs that run under it, so that
// the shim is a real process, and under the race detector where the tests are.
const asShim = "IMGBUILD_TEST_AS"

func TestMain(m *testing.M) {
	switch {
	case len(os.Args) > 2 && os.Args[1] == "-program":
		run, ok := programs[os.Args[2]]
		if !ok {
			fmt.Fprintln(os.Stderr, "no such program:", os.Args[2])
			os.Exit(99)
		}
		os.Unsetenv(asShim)
		os.Exit(run(os.Args[3:]))
	case os.Getenv(asShim) == "init":
		// PID 1 of a new namespace: give it its own /proc first.
		if err := syscall.Mount("proc", "/proc", "proc", 0, ""); err != nil {
			fmt.Fprintln(os.Stderr, "mounting /proc:", err)
			os.Exit(98)
		}
		os.Exit(Main(os.Args, os.Environ()))
	case os.Getenv(asShim) == "shim":
		os.Exit(Main(os.Args, os.Environ()))
	}
	os.Exit(m.Run())
}

// runs is a command line that runs one of programs.
func runs(name string, args ...string) []string {
	return append([]string{os.Args[0], "-program", name}, args...)
}

// output collects what a process writes.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// container is a shim with its program.
type container struct {
	t              *testing.T
	cmd            *exec.Cmd
	addr           string
	stdout, stderr output
	ended          chan struct{}
}

type setup func(*exec.Cmd)

func env(vars ...string) setup { return func(c *exec.Cmd) { c.Env = append(c.Env, vars...) } }

// asPID1 runs the shim as PID 1 of a new PID namespace, as a container does.
func asPID1(c *exec.Cmd) {
	c.Env = append(c.Env, asShim+"=init")
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS, Unshareflags: syscall.CLONE_NEWNS}
}

// freePort is a port that nobody listens on, and that is the test's until it
// ends: other runs of these tests, which may be under way, leave it alone, and
// it is below the ephemeral ones, of which any connection may get one. Those
// are also taken for a program's inner matters where they are on loopback.
func freePort(t *testing.T) int {
	t.Helper()
	for port := 20000 + time.Now().Nanosecond()%10000; port < discovery.FirstEphemeral; port++ {
		taken, err := net.Listen("unix", fmt.Sprintf("@imgbuild-test-port-%d", port))
		if err != nil {
			continue
		}
		if l, err := net.Listen("tcp", fmt.Sprintf(":%d", port)); err == nil {
			l.Close()
			t.Cleanup(func() { taken.Close() })
			return port
		}
		taken.Close()
	}
	t.Fatal("no free port")
	return 0
}

// launch starts a shim that listens on a free port. PORT and the like are not
// inherited from this machine.
func launch(t *testing.T, command []string, setups ...setup) *container {
	t.Helper()
	c := &container{t: t, addr: fmt.Sprintf("127.0.0.1:%d", freePort(t)), ended: make(chan struct{})}
	c.cmd = exec.Command(os.Args[0], append([]string{"--"}, command...)...)
	c.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=/", asShim + "=shim", "SHIM_LISTEN=" + c.addr, fmt.Sprintf("PORT=%d", freePort(t))}
	c.cmd.Stdout, c.cmd.Stderr = &c.stdout, &c.stderr
	c.cmd.WaitDelay = 10 * time.Second
	for _, s := range setups {
		s(c.cmd)
	}
	for _, e := range c.cmd.Env {
		if v, ok := strings.CutPrefix(e, "SHIM_LISTEN="); ok {
			c.addr = v
		}
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { defer close(c.ended); _ = c.cmd.Wait() }()
	t.Cleanup(func() {
		_ = c.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-c.ended:
		case <-time.After(15 * time.Second):
			_ = c.cmd.Process.Kill()
			<-c.ended
		}
		if t.Failed() {
			t.Logf("stdout: %.4000s\nstderr: %.4000s", c.stdout.String(), c.stderr.String())
		}
		if strings.Contains(c.stderr.String(), "DATA RACE") {
			t.Errorf("a data race: %s", c.stderr.String())
		}
	})
	return c
}

// code waits for the container to end and returns its exit code.
func (c *container) code(within time.Duration) int {
	c.t.Helper()
	select {
	case <-c.ended:
		return c.cmd.ProcessState.ExitCode()
	case <-time.After(within):
		c.t.Fatalf("the container did not end within %s", within)
		return -1
	}
}

func (c *container) client() *http.Client {
	return &http.Client{Timeout: 60 * time.Second, Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return discovery.DialOnce(ctx, c.addr)
	}}}
}

// ready waits until the shim accepts connections, as the platform does.
func (c *container) ready() {
	c.t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if discovery.Probe(c.addr) {
			return
		}
		select {
		case <-c.ended:
			c.t.Fatal("the container ended before it listened")
		default:
		}
	}
	c.t.Fatal("the shim does not listen")
}

func (c *container) do(method, path string, body io.Reader, header ...string) *http.Response {
	c.t.Helper()
	req, err := http.NewRequest(method, "http://function.example"+path, body)
	if err != nil {
		c.t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := c.client().Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { resp.Body.Close() })
	return resp
}

func (c *container) get(path string, header ...string) (status int, body string) {
	c.t.Helper()
	resp := c.do("GET", path, nil, header...)
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// eventually waits for something that happens beside the test.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Errorf("within 30 s: %s", what)
}
