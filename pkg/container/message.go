package container

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// message is what imgbuild and its keeper say to each other, in JSON, one a
// packet, with files beside it (SCM_RIGHTS, unix(7)).
type message struct {
	// Start, with an answer socket, a setup and three standard files, starts a
	// container of that number. The answer is Started with a pidfd, and once
	// more Ended.
	Start int `json:",omitempty"`
	// Groups are the folders of its control group.
	Groups []string `json:",omitempty"`
	// Dial, with an answer socket, connects to Address in the network of the
	// container of that number. The answer is the connection's file.
	Dial    int    `json:",omitempty"`
	Address string `json:",omitempty"`

	PID     int      `json:",omitempty"` // by the numbers of the keeper, which are imgbuild's
	Ended   bool     `json:",omitempty"`
	Status  int      `json:",omitempty"`
	Failure *failure `json:",omitempty"`
}

// packetLimit is the longest message in bytes: errors are cut.
const packetLimit = 8 << 10

// socketPair makes two connected Unix sockets.
func socketPair(kind int) (a, b *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("making a socket: %w", err)
	}
	return os.NewFile(uintptr(fds[0]), "socket"), os.NewFile(uintptr(fds[1]), "socket"), nil
}

func send(socket *os.File, m message, files ...*os.File) error {
	if f := m.Failure; f != nil && len(f.Text) > packetLimit/2 {
		m.Failure = &failure{f.Text[:packetLimit/2] + "…", f.Kind}
	}
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	fds := make([]int, len(files))
	for n, f := range files {
		fds[n] = int(f.Fd())
	}
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	return retry(func() error { return unix.Sendmsg(int(socket.Fd()), b, rights, nil, unix.MSG_NOSIGNAL) })
}

// receive returns the next message and its files, or io.EOF where the other
// side has gone.
func receive(socket *os.File) (m message, files []*os.File, err error) {
	b, rights := make([]byte, packetLimit), make([]byte, unix.CmsgSpace(8*4))
	var n, nr, flags int
	err = retry(func() error {
		n, nr, flags, _, err = unix.Recvmsg(int(socket.Fd()), b, rights, unix.MSG_CMSG_CLOEXEC)
		return err
	})
	if err != nil {
		return m, nil, err
	}
	if files, err = received(rights[:nr]); err != nil {
		return m, nil, err
	}
	if n == 0 && len(files) == 0 {
		return m, nil, io.EOF
	}
	if flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0 {
		err = errors.New("a message was too long")
	} else {
		err = json.Unmarshal(b[:n], &m)
	}
	if err != nil {
		closeAll(files)
		return m, nil, err
	}
	return m, files, nil
}

// receiveFor is receive as long as the context lasts. There may be files even
// where it has ended.
func receiveFor(ctx context.Context, socket *os.File) (m message, files []*os.File, err error) {
	// A shutdown ends the wait of receive. It must be through before the
	// socket's number is another file's.
	shut := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(shut)
		_ = unix.Shutdown(int(socket.Fd()), unix.SHUT_RDWR)
	})
	m, files, err = receive(socket)
	if !stop() {
		<-shut
		err = context.Cause(ctx)
	}
	return m, files, err
}

func received(rights []byte) ([]*os.File, error) {
	if len(rights) == 0 {
		return nil, nil
	}
	messages, err := unix.ParseSocketControlMessage(rights)
	if err != nil {
		return nil, err
	}
	var files []*os.File
	for _, m := range messages {
		fds, err := unix.ParseUnixRights(&m)
		if err != nil {
			return nil, err
		}
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), "received"))
		}
	}
	return files, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

func retry(f func() error) error {
	for {
		if err := f(); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}
