// Package netns makes Linux network namespaces and connects to what listens in
// them. A namespace belongs to a thread, so all of it is done on threads that
// end with their work: no other goroutine ever runs on one in a foreign
// namespace. It needs CAP_SYS_ADMIN (setns(2), unshare(2)).
package netns

import (
	"context"
	"fmt"
	"net"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// Open returns the network namespace of a process. The namespace lives as long
// as the file is open.
func Open(pid int) (*os.File, error) { return os.Open(fmt.Sprintf("/proc/%d/ns/net", pid)) }

// New calls f on a thread in a network namespace that has nothing but
// loopback; processes that f starts are in it. The file is f's to close.
func New(f func(ns *os.File) error) error {
	return onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("making a network namespace (needs root): %w", err)
		}
		if err := LoopbackUp(); err != nil {
			return err
		}
		ns, err := os.Open(fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()))
		if err != nil {
			return err
		}
		return f(ns)
	})
}

// Dial connects from inside the namespace; addr is an IP address with a port.
func Dial(ctx context.Context, ns *os.File, network, addr string) (conn net.Conn, err error) {
	err = onThread(func() error {
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("entering the container's network: %w", err)
		}
		// A socket belongs to the namespace of the thread that makes it, and
		// dialling an IP address happens on the caller's thread.
		conn, err = new(net.Dialer).DialContext(ctx, network, addr)
		return err
	})
	return conn, err
}

func onThread(f func() error) error {
	failed := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		failed <- f()
	}()
	return <-failed
}

// LoopbackUp gives the calling thread's namespace its 127.0.0.1.
func LoopbackUp() error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("setting loopback up: %w", err)
	}
	defer unix.Close(s)
	r, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	r.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, r); err != nil {
		return fmt.Errorf("setting loopback up: %w", err)
	}
	return nil
}
