package testtool

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// ClientIn is an HTTP client inside the network of a process: its 127.0.0.1
// is that process's. So any number of containers listen on 8080 side by side,
// and none is in the way of what else runs on this machine.
func ClientIn(pid int) *http.Client {
	return &http.Client{
		Timeout: 30 * time.Second,
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				return dialIn(ctx, pid, network, addr)
			},
		},
	}
}

// dialIn connects from the network namespace of pid. A socket belongs to the
// namespace of the thread that makes it, and dialling an IP address happens on
// the caller's thread.
func dialIn(ctx context.Context, pid int, network, addr string) (net.Conn, error) {
	type answer struct {
		conn net.Conn
		err  error
	}
	c := make(chan answer)
	go func() {
		// Never unlocked: the thread ends with the goroutine, and nobody else
		// gets one in a foreign namespace.
		runtime.LockOSThread()
		conn, err := func() (net.Conn, error) {
			ns, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", pid))
			if err != nil {
				return nil, err
			}
			defer ns.Close()
			if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
				return nil, fmt.Errorf("entering the network of process %d: %w", pid, err)
			}
			return new(net.Dialer).DialContext(ctx, network, addr)
		}()
		c <- answer{conn, err}
	}()
	a := <-c
	return a.conn, a.err
}
