package shim

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"

	"github.com/imgbuild/imgbuild/pkg/shim/discovery"
)

// errOwned reports that the program has the shim's port for itself.
var errOwned = errors.New("the program owns the port")

// bind opens the shim's listeners. taken are the addresses on the shim's own
// port that the program listens on: where it has taken the port for loopback
// or IPv6 only, the shim takes what is left of it, so that the platform, which
// calls from outside over IPv4, reaches the program all the same.
func bind(addr string, taken []netip.AddrPort) ([]net.Listener, error) {
	if strings.HasPrefix(addr, "/") {
		return one(listenUnix(addr))
	}
	if len(taken) == 0 {
		return one(listenTCP(addr))
	}
	host, port, _ := net.SplitHostPort(addr)
	if ip, err := netip.ParseAddr(host); host != "" && (err != nil || !ip.IsUnspecified()) {
		return nil, errOwned
	}
	loopback := false
	for _, a := range taken {
		if a.Addr().Is4() && !a.Addr().IsLoopback() {
			return nil, errOwned
		}
		loopback = loopback || a.Addr().Is4()
	}
	if !loopback {
		l, err := listen("tcp4", "0.0.0.0:"+port)
		if errors.Is(err, syscall.EADDRINUSE) {
			return nil, errOwned // [::] takes IPv4 along unless told not to
		}
		return one(l, err)
	}
	return bindOutside(port)
}

// bindOutside listens on every IPv4 address of this machine but loopback.
func bindOutside(port string) ([]net.Listener, error) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil, errOwned
	}
	var all []net.Listener
	for _, a := range addrs {
		n, ok := a.(*net.IPNet)
		if !ok || n.IP.To4() == nil || n.IP.IsLoopback() {
			continue
		}
		if l, err := listen("tcp4", net.JoinHostPort(n.IP.String(), port)); err == nil {
			all = append(all, l)
		}
	}
	if len(all) == 0 {
		return nil, errOwned
	}
	return all, nil
}

// listen is net.Listen without Multipath TCP, which Go would try first.
func listen(network, addr string) (net.Listener, error) {
	var c net.ListenConfig
	c.SetMultipathTCP(false)
	return c.Listen(context.Background(), network, addr)
}

func listenTCP(addr string) (net.Listener, error) {
	host, _, _ := net.SplitHostPort(addr)
	network := "tcp"
	if ip, err := netip.ParseAddr(host); err == nil && ip.Is4() {
		network = "tcp4"
	}
	l, err := listen(network, addr)
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", addr, errnoOf(err))
	}
	return l, nil
}

// listenUnix listens on a socket's path. A socket that a shim before this one
// has left behind is replaced.
func listenUnix(path string) (net.Listener, error) {
	l, err := listen("unix", path)
	if errors.Is(err, syscall.EADDRINUSE) && !discovery.Probe(path) {
		if fi, statErr := os.Lstat(path); statErr == nil && fi.Mode().Type() == os.ModeSocket && os.Remove(path) == nil {
			l, err = listen("unix", path)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", path, errnoOf(err))
	}
	return l, nil
}

// errnoOf is the errno inside a network error, whose own text repeats the
// address.
func errnoOf(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return err
}

func one(l net.Listener, err error) ([]net.Listener, error) {
	if err != nil {
		return nil, err
	}
	return []net.Listener{l}, nil
}

// onPort are the addresses of that port.
func onPort(found []discovery.Address, port int) []netip.AddrPort {
	var out []netip.AddrPort
	for _, a := range found {
		if a.Path == "" && port != 0 && a.Port() == port {
			out = append(out, a.TCP)
		}
	}
	return out
}
