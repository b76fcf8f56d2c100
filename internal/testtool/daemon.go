package testtool

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// daemon is a program that runs until it is stopped, and no longer than this
// process.
type daemon struct {
	cmd  *exec.Cmd
	log  string // path of its output
	done chan struct{}
}

// startDaemon starts cmd with its output in the file log and waits until ready
// says so.
func startDaemon(cmd *exec.Cmd, log string, ready func() error) (*daemon, error) {
	out, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	// Pdeathsig is sent when the thread ends that started the program, so
	// that one is kept for it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	d := &daemon{cmd: cmd, log: log, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
		close(d.done)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		err := ready()
		if err == nil {
			return d, nil
		}
		select {
		case <-d.done:
			return nil, fmt.Errorf("%s ended at once: %s", cmd.Path, d.tail())
		default:
		}
		if time.Now().After(end) {
			d.stop()
			return nil, fmt.Errorf("%s does not answer: %w: %s", cmd.Path, err, d.tail())
		}
	}
}

// stop ends the program: politely, then by force.
func (d *daemon) stop() {
	_ = d.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-d.done:
	case <-time.After(15 * time.Second):
		_ = syscall.Kill(-d.cmd.Process.Pid, syscall.SIGKILL)
		<-d.done
	}
}

// tail is the end of what the program said.
func (d *daemon) tail() string {
	b, _ := os.ReadFile(d.log)
	return string(b[max(0, len(b)-2000):])
}
