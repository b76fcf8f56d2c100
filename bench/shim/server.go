package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// server is something that answers HTTP at addr.
type server struct {
	addr    string
	cmd     *exec.Cmd
	stderr  bytes.Buffer
	ended   chan struct{}
	started time.Time
	// first is how long after its start it gave the first answer.
	first time.Duration
}

// launch starts a command with those variables and waits for its first answer
// at addr. Its output goes to /dev/null.
func launch(ctx context.Context, addr string, env []string, dir, name string, args ...string) (*server, error) {
	s := &server{addr: addr, ended: make(chan struct{})}
	s.cmd = exec.Command(name, args...)
	s.cmd.Dir = dir
	s.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}, env...)
	s.cmd.Stderr = &s.stderr
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	s.started = time.Now()
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { defer close(s.ended); _ = s.cmd.Wait() }()
	if err := s.wait(ctx); err != nil {
		s.stop()
		return nil, fmt.Errorf("%s: %w: %s", strings.Join(s.cmd.Args, " "), err, &s.stderr)
	}
	s.first = time.Since(s.started)
	return s, nil
}

// wait asks until there is an answer, closely enough to time it.
func (s *server) wait(ctx context.Context) error {
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(200 * time.Microsecond) {
		select {
		case <-s.ended:
			return fmt.Errorf("it ended before it answered")
		case <-ctx.Done():
			return ctx.Err()
		default:
		}
		// A connection that is refused costs less than a request that is.
		c, err := net.Dial("tcp", s.addr)
		if err != nil {
			continue
		}
		c.Close()
		req, err := http.NewRequestWithContext(ctx, "POST", "http://"+s.addr+"/invoke", strings.NewReader("{}"))
		if err != nil {
			return err
		}
		if resp, err := client.Do(req); err == nil {
			resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				return fmt.Errorf("the first answer is %s", resp.Status)
			}
			return nil
		}
	}
	return fmt.Errorf("no answer within 30 s")
}

// stop ends it by its own process group.
func (s *server) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.ended:
	case <-time.After(3 * time.Second):
	}
	_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
	<-s.ended
}

// resident is VmRSS in bytes (proc_pid_status(5)).
func (s *server) resident() (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(b), "VmRSS:")
	var kb int64
	_, err = fmt.Sscan(rest, &kb)
	return kb << 10, err
}

// ports are n that are free.
func ports(n int) ([]string, error) {
	var found []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		_, p, err := net.SplitHostPort(l.Addr().String())
		if err != nil {
			return nil, err
		}
		found = append(found, p)
	}
	return found, nil
}

// underShim starts a command under the shim, every check and line on.
func (b *bench) underShim(ctx context.Context, env []string, dir string, command ...string) (*server, error) {
	p, err := ports(2)
	if err != nil {
		return nil, err
	}
	env = append([]string{"SHIM_LISTEN=127.0.0.1:" + p[0], "PORT=" + p[1], "SHIM_REQUEST_LOG=on"}, env...)
	return launch(ctx, "127.0.0.1:"+p[0], env, dir, b.path("shim"), append([]string{"--"}, command...)...)
}

// alone starts a command without anything before it.
func (b *bench) alone(ctx context.Context, env []string, dir string, command ...string) (*server, error) {
	p, err := ports(1)
	if err != nil {
		return nil, err
	}
	return launch(ctx, "127.0.0.1:"+p[0], append([]string{"PORT=" + p[0]}, env...), dir, command[0], command[1:]...)
}

// before starts a peer that carries requests to the program at addr.
func (b *bench) before(ctx context.Context, peer, addr string) (*server, error) {
	p, err := ports(1)
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	return launch(ctx, "127.0.0.1:"+p[0], []string{"LISTEN=" + p[0], "PORT=" + port}, "", b.path(peer))
}
