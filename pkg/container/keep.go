package container

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/imgbuild/imgbuild/pkg/container/netns"
)

// keep is the keeper: the process that is root of a plain user's namespace. It
// starts containers and connects to them for the imgbuild at the other end of
// its socket, and ends with it; then its containers get SIGKILL.
func keep() int {
	control := os.NewFile(controlFD, "control")
	unix.CloseOnExec(controlFD)
	if err := mayMount(); err != nil {
		_ = send(control, message{Failure: failureOf(err)})
		return 1
	}
	if send(control, message{PID: os.Getpid()}) != nil {
		return 1
	}
	k := keeper{containers: map[int]*process{}}
	for {
		m, files, err := receive(control)
		if err != nil {
			return 0 // imgbuild has gone
		}
		go k.answer(m, files)
	}
}

// mayMount tries what some systems deny even to root of a user namespace.
func mayMount() error {
	return spawn(func() error { // its thread may change: it only starts processes
		if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
			return err
		}
		return unix.Mount("imgbuild", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
	})
}

type keeper struct {
	mu         sync.Mutex
	containers map[int]*process
}

func (k *keeper) answer(m message, files []*os.File) {
	defer closeAll(files)
	switch {
	case m.Start != 0 && len(files) == 5:
		k.start(m, files[0], files[1], [3]*os.File(files[2:]))
	case m.Dial != 0 && len(files) == 1:
		k.dial(m, files[0])
	}
}

func (k *keeper) start(m message, answer, setup *os.File, std [3]*os.File) {
	p, err := startProcess(context.Background(), setup, std, m.Groups)
	closeAll(std[:]) // the output ends with the container's own
	if err != nil {
		_ = send(answer, message{Failure: failureOf(err)})
		return
	}
	defer p.close()
	k.mu.Lock()
	k.containers[m.Start] = p
	k.mu.Unlock()
	handle, err := dup(p.handle)
	if err == nil {
		err = send(answer, message{PID: p.cmd.Process.Pid}, handle)
		handle.Close()
	}
	if err != nil {
		return // nobody wants it any more
	}
	<-p.ended
	k.mu.Lock()
	delete(k.containers, m.Start)
	k.mu.Unlock()
	_ = send(answer, message{Ended: true, Status: p.status()})
}

func dup(fd int) (*os.File, error) {
	n, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(n), "handle"), nil
}

// dialLimit is for connections over loopback.
const dialLimit = 30 * time.Second

func (k *keeper) dial(m message, answer *os.File) {
	f, err := k.connect(m)
	if err != nil {
		_ = send(answer, message{Failure: failureOf(err)})
		return
	}
	defer f.Close()
	_ = send(answer, message{}, f)
}

func (k *keeper) connect(m message) (*os.File, error) {
	k.mu.Lock()
	p := k.containers[m.Dial]
	var ns *os.File
	err := errEnded
	if p != nil {
		ns, err = dup(int(p.net.Fd())) // it may end meanwhile
	}
	k.mu.Unlock()
	if err != nil {
		return nil, err
	}
	defer ns.Close()
	ctx, cancel := context.WithTimeout(context.Background(), dialLimit)
	defer cancel()
	network, addr, _ := strings.Cut(m.Address, " ")
	conn, err := netns.Dial(ctx, ns, network, addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	c, ok := conn.(*net.TCPConn)
	if !ok {
		return nil, errors.New("only TCP connections can be handed on")
	}
	return c.File()
}
