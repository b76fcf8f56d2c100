package emulator

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/imgbuild/imgbuild/pkg/container"
	"github.com/imgbuild/imgbuild/pkg/shim"
)

// Folder runs a code package on this machine, under the shim: its bootstrap, or
// the function's entrypoint and command. Nothing stands between it and the
// machine's files and network. Every instance is told a port of its own; a
// program that has a port written into it has one instance at a time.
type Folder struct {
	Dir string // absolute
}

// shimName is argv[0] of this program as the shim.
const shimName = "imgbuild: shim"

// Main must be among the first calls of main, and of TestMain, in a program that
// uses Folder. It returns at once, unless this process was started as the shim.
func Main() {
	if os.Args[0] == shimName {
		os.Exit(shim.Main(os.Args, os.Environ()))
	}
}

// Name is how people call it.
func (Folder) Name() string { return "folder" }

// SharesPorts says that the instances have this machine's ports.
func (Folder) SharesPorts() bool { return true }

// inherited are the variables of this machine that a function gets.
var inherited = []string{"PATH", "HOME", "LANG", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR"}

// folderGrace is how long a program has from SIGTERM to SIGKILL where imgbuild
// has gone without stopping it.
const folderGrace = "2s"

// Start starts the shim.
func (f Folder) Start(ctx context.Context, s Spec) (Running, error) {
	command := slices.Concat(s.Function.Entrypoint, s.Function.Command)
	if len(command) == 0 {
		if err := checkBootstrap(f.Dir); err != nil {
			return nil, err
		}
	}
	ports, err := freePorts(2)
	if err != nil {
		return nil, err
	}
	own, told := ports[0], strconv.Itoa(ports[1])
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(own))
	i := &folderInstance{addr: addr, told: told, done: make(chan struct{})}
	i.cmd = &exec.Cmd{
		Path: "/proc/self/exe", Args: append([]string{shimName, "--listen", addr, "--grace", folderGrace, "--linger", "0s", "--"}, command...),
		Dir: f.Dir, Stdout: s.Output, Stderr: s.Output, WaitDelay: time.Second,
		// A group of its own: a terminal's Ctrl-C is for imgbuild, which stops
		// the instance. Where imgbuild dies, the shim gets SIGTERM, also when it
		// is frozen: Linux wakes a stopped group that has lost its parent.
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM},
	}
	for _, name := range inherited {
		if v, ok := os.LookupEnv(name); ok {
			i.cmd.Env = append(i.cmd.Env, name+"="+v)
		}
	}
	i.cmd.Env = append(i.cmd.Env, "PORT="+told, "FC_SERVER_PORT="+told)
	for _, v := range s.Env {
		switch name, value, _ := strings.Cut(v, "="); {
		case name == "FC_FUNC_CODE_PATH" && value == codePath:
			v = name + "=" + f.Dir
		case name == "FC_CUSTOM_LISTEN_PORT" && value == strconv.Itoa(s.Function.Port):
			v = name + "=" + told
		}
		i.cmd.Env = append(i.cmd.Env, v)
	}
	if err := container.Spawn(i.cmd.Start); err != nil {
		return nil, fmt.Errorf("starting the shim: %w", err)
	}
	i.processes.list = func() ([]int, error) { return container.Family(i.cmd.Process.Pid) }
	go func() {
		defer close(i.done)
		_ = i.cmd.Wait() // the state has it
	}()
	return i, nil
}

// checkBootstrap says what the platform says of a package without a program.
func checkBootstrap(dir string) error {
	path := filepath.Join(dir, "bootstrap")
	fi, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return failed(CAFileNotFound, "The function cannot be started. Failed to start function instance. Error: the file "+codePath+"/bootstrap is not exist; add it to "+dir+", or set the start command", "")
	case err != nil:
		return err
	case !fi.Mode().IsRegular():
		return failed(CAFilePermission, codePath+"/bootstrap is no file", "")
	case fi.Mode()&0o111 == 0:
		return failed(CAFilePermission, codePath+"/bootstrap cannot be executed: give it its run bit: chmod +x "+path, "")
	}
	return nil
}

// freePorts are ports of loopback that were free a moment ago.
func freePorts(n int) (ports []int, err error) {
	for range n {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("finding a free port: %w", err)
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

type folderInstance struct {
	cmd       *exec.Cmd
	addr      string
	told      string // the port that the program was told
	processes processes
	done      chan struct{}
}

// FixedPort says whether the program, which listens, does so on another port than
// it was told.
func (i *folderInstance) FixedPort() bool {
	for _, host := range []string{"127.0.0.1", "::1"} {
		conn, err := net.DialTimeout("tcp", net.JoinHostPort(host, i.told), time.Second)
		if err == nil {
			conn.Close()
			return false
		}
	}
	return true
}

func (i *folderInstance) Dial(ctx context.Context) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "tcp4", i.addr)
}

func (i *folderInstance) Freeze(ctx context.Context) error { return i.processes.freeze(ctx) }
func (i *folderInstance) Thaw(context.Context) error       { return i.processes.thaw() }
func (i *folderInstance) Done() <-chan struct{}            { return i.done }
func (i *folderInstance) Memory() int64                    { return i.processes.memory() }

func (i *folderInstance) Signal(_ context.Context, s syscall.Signal) error {
	return i.cmd.Process.Signal(s)
}

func (i *folderInstance) Code() int {
	<-i.done
	return exitCode(i.cmd.ProcessState)
}

// exitCode is a shell's.
func exitCode(s *os.ProcessState) int {
	if w, ok := s.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		return 128 + int(w.Signal())
	}
	return s.ExitCode()
}

// Close kills all that the shim and the program have started.
func (i *folderInstance) Close() error {
	select {
	case <-i.done:
		return nil
	default:
	}
	all, err := i.processes.list()
	for _, pid := range slices.Backward(all) {
		_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
	}
	_ = i.cmd.Process.Kill()
	<-i.done
	return err
}
