package container

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// nest is imgbuild's side of its keeper.
type nest struct {
	mu     sync.Mutex // held while something is sent
	socket *os.File
	last   int // number of a container
}

// theNest starts the keeper once, for as long as this process lives.
var theNest = sync.OnceValues(func() (*nest, error) {
	ours, theirs, err := socketPair(unix.SOCK_SEQPACKET)
	if err != nil {
		return nil, err
	}
	cmd := &exec.Cmd{
		Path: "/proc/self/exe", Args: []string{keeperName}, Env: []string{}, Dir: "/", ExtraFiles: []*os.File{theirs},
		SysProcAttr: &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}},
			Setsid:      true, Pdeathsig: syscall.SIGKILL,
		},
	}
	err = spawn(cmd.Start)
	theirs.Close()
	if err != nil {
		ours.Close()
		return nil, unavailable(fmt.Errorf("making a user namespace: %w", err))
	}
	go func() { _ = cmd.Wait() }()
	m, _, err := receive(ours)
	if err == nil && m.Failure != nil {
		err = m.Failure
	}
	if err != nil {
		ours.Close()
		return nil, unavailable(fmt.Errorf("mounting in a user namespace: %w", err))
	}
	return &nest{socket: ours}, nil
})

// ask sends a request and returns the socket on which the answer comes.
func (n *nest) ask(m message, files ...*os.File) (answer *os.File, err error) {
	ours, theirs, err := socketPair(unix.SOCK_SEQPACKET)
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := send(n.socket, m, append([]*os.File{theirs}, files...)...); err != nil {
		ours.Close()
		return nil, fmt.Errorf("asking the keeper of containers: %w", err)
	}
	return ours, nil
}

// nested is a container that the keeper has started.
type nested struct {
	nest   *nest
	number int
	pid    int
	handle *os.File
	code   int
	done   chan struct{}
}

func (n *nest) start(ctx context.Context, setup *os.File, std [3]*os.File, groups []string) (*nested, error) {
	n.mu.Lock()
	n.last++
	c := &nested{nest: n, number: n.last, done: make(chan struct{})}
	n.mu.Unlock()
	answer, err := n.ask(message{Start: c.number, Groups: groups}, setup, std[0], std[1], std[2])
	if err != nil {
		return nil, err
	}
	m, files, err := receiveFor(ctx, answer)
	if err == nil && m.Failure != nil {
		err = m.Failure
	}
	if err == nil && len(files) != 1 {
		err = errors.New("the keeper of containers does not answer as it should")
	}
	if err != nil {
		for _, f := range files { // it runs, and nobody wants it any more
			_ = unix.PidfdSendSignal(int(f.Fd()), syscall.SIGKILL, nil, 0)
		}
		closeAll(files)
		answer.Close()
		return nil, err
	}
	c.pid, c.handle = m.PID, files[0]
	go func() {
		defer close(c.done)
		defer answer.Close()
		m, files, err := receive(answer)
		closeAll(files)
		if c.code = m.Status; err != nil || !m.Ended {
			c.code = 128 + int(syscall.SIGKILL) // the keeper was killed, and with it the container
		}
	}()
	return c, nil
}

func (c *nested) ended() <-chan struct{} { return c.done }
func (c *nested) status() int            { return c.code }
func (c *nested) first() int             { return c.pid }

func (c *nested) signal(s syscall.Signal) error {
	return unix.PidfdSendSignal(int(c.handle.Fd()), s, nil, 0)
}

func (c *nested) close() {
	_ = c.signal(syscall.SIGKILL) // it may have ended
	<-c.done
	c.handle.Close()
}

func (c *nested) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	answer, err := c.nest.ask(message{Dial: c.number, Address: network + " " + addr})
	if err != nil {
		return nil, err
	}
	defer answer.Close()
	m, files, err := receiveFor(ctx, answer)
	defer closeAll(files)
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		return nil, fmt.Errorf("asking the keeper of containers: %w", err)
	case m.Failure != nil:
		return nil, m.Failure
	case len(files) != 1:
		return nil, errors.New("the keeper of containers does not answer as it should")
	}
	return net.FileConn(files[0])
}
