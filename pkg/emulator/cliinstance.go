package emulator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/imgbuild/imgbuild/pkg/container/netns"
	"github.com/imgbuild/imgbuild/pkg/dockerd"
)

// cliInstance is a container of a CLI.
type cliInstance struct {
	cli       CLI
	cmd       *exec.Cmd
	name      string
	addr      string
	env       *os.File // of its variables
	said      *tail    // the end of the output, the program's own or the container's
	net       *os.File // of NetworkNone
	processes processes
	reached   atomic.Bool // the function has listened
	done      chan struct{}
}

// enter opens the container's network, once it runs. It may end before.
func (i *cliInstance) enter(ctx context.Context) error {
	for {
		pids, err := i.processes.list()
		if err != nil {
			return err
		}
		// The first one may be the runtime's, which is to become the function.
		if len(pids) > 0 && elsewhere(pids[0]) {
			if i.net, err = netns.Open(pids[0]); err == nil {
				return nil
			}
			if !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("opening the container's network (needs root, and the container on this machine): %w", err)
			}
		}
		select {
		case <-i.done:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// elsewhere says whether a process has another network than this one.
func elsewhere(pid int) bool {
	ours, err := os.Readlink("/proc/self/ns/net")
	theirs, err2 := os.Readlink("/proc/" + strconv.Itoa(pid) + "/ns/net")
	return err == nil && err2 == nil && ours != theirs
}

// Failed is why the program itself could not run a container (docker run: exit
// status 125).
func (i *cliInstance) Failed() error {
	const codeOfProgram = 125
	if i.Code() != codeOfProgram {
		return nil
	}
	return fmt.Errorf("%s run: %s", i.cli.Program, lastLine(string(i.said.bytes())))
}

func (i *cliInstance) Dial(ctx context.Context) (net.Conn, error) {
	switch {
	case isClosed(i.done):
		return nil, errors.New("the container has ended")
	case i.net != nil:
		conn, err := netns.Dial(ctx, i.net, "tcp4", i.addr)
		if err == nil {
			i.arrived()
		}
		return conn, err
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", i.addr)
	switch {
	case err != nil:
		return nil, err
	case i.reached.Load():
		return conn, nil
	case i.cli.Network == NetworkHost:
		i.arrived()
		return conn, nil
	}
	// A published port takes connections before anybody listens in the
	// container, and ends them at once then.
	if err := conn.SetReadDeadline(time.Now().Add(proxyPatience)); err != nil {
		conn.Close()
		return nil, err
	}
	_, err = conn.Read(make([]byte, 1))
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		conn.Close()
		if err == nil || errors.Is(err, io.EOF) {
			err = syscall.ECONNREFUSED
		}
		return nil, err
	}
	i.arrived()
	return conn, conn.SetReadDeadline(time.Time{})
}

// arrived is when the function listens. The program has long read the variables
// by then.
func (i *cliInstance) arrived() {
	if i.reached.CompareAndSwap(false, true) {
		i.env.Close()
	}
}

// proxyPatience is how long a proxy may take to end a connection to nobody.
const proxyPatience = 20 * time.Millisecond

func (i *cliInstance) Freeze(ctx context.Context) error { return i.tell(ctx, "pause", nil) }
func (i *cliInstance) Thaw(ctx context.Context) error   { return i.tell(ctx, "unpause", nil) }

var signalNames = map[syscall.Signal]string{syscall.SIGTERM: "TERM", syscall.SIGKILL: "KILL"}

func (i *cliInstance) Signal(ctx context.Context, s syscall.Signal) error {
	return i.tell(ctx, "kill", url.Values{"signal": {signalNames[s]}})
}

// tell has the program do something with the container: a command, which the
// daemon's API has by the same name, with options, which it has, too.
func (i *cliInstance) tell(ctx context.Context, command string, options url.Values) error {
	return i.cli.ask(ctx, func(ctx context.Context, api dockerd.API) error {
		return api.Tell(ctx, http.MethodPost, "/containers/"+i.name+"/"+command, options)
	}, func() error {
		args := []string{command}
		for name := range options {
			args = append(args, "--"+name, options.Get(name))
		}
		_, err := i.cli.command(ctx, append(args, i.name)...)
		return err
	})
}

// remove kills the container and removes it.
func (i *cliInstance) remove(ctx context.Context) error {
	return i.cli.ask(ctx, func(ctx context.Context, api dockerd.API) error {
		return api.Tell(ctx, http.MethodDelete, "/containers/"+i.name, url.Values{"force": {"1"}})
	}, func() error {
		_, err := i.cli.command(ctx, "rm", "--force", i.name)
		return err
	})
}

// FixedPort says whether the function has a port of this machine.
func (i *cliInstance) FixedPort() bool { return i.cli.Network == NetworkHost }

func (i *cliInstance) Done() <-chan struct{} { return i.done }

func (i *cliInstance) Code() int {
	<-i.done
	return exitCode(i.cmd.ProcessState)
}

func (i *cliInstance) Memory() int64 {
	return i.processes.memory()
}

// Close removes the container, also one that is only about to be.
func (i *cliInstance) Close() (err error) {
	if i.reached.CompareAndSwap(false, true) {
		defer i.env.Close()
	}
	if i.net != nil {
		defer i.net.Close()
	}
	if isClosed(i.done) {
		return nil // --rm has removed it
	}
	ctx := context.Background() // commands have a limit of their own
	defer i.cli.sweep(ctx)
	for limit := time.Now().Add(closeLimit); time.Now().Before(limit); {
		err = i.remove(ctx)
		if within(i.done, 300*time.Millisecond) {
			return nil // whatever was said
		}
	}
	_ = i.cmd.Process.Signal(syscall.SIGTERM) // goes on to the container
	if !within(i.done, time.Second) {
		_ = i.cmd.Process.Kill()
		<-i.done
	}
	return err
}

// closeLimit is how long it is tried to remove a container: the program may be
// just about to make it.
const closeLimit = 20 * time.Second
