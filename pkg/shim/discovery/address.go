// Package discovery finds out where a program listens, without its help: it
// asks Linux for the listening sockets of this network namespace, and looks
// whose they are.
package discovery

import (
	"cmp"
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Address is where something listens: a TCP address, or a Unix socket in the
// file system.
type Address struct {
	// TCP is not valid where Path is set.
	TCP netip.AddrPort
	// Path of the Unix stream socket, "" for TCP.
	Path string
}

// Port is the TCP port, 0 for a Unix socket.
func (a Address) Port() int { return int(a.TCP.Port()) }

func (a Address) String() string {
	if a.Path != "" {
		return a.Path
	}
	return a.TCP.String()
}

// Compare orders TCP before Unix sockets.
func (a Address) Compare(b Address) int {
	return cmp.Or(cmp.Compare(a.Path, b.Path), a.TCP.Compare(b.TCP))
}

// DialAddrs are the addresses to try, in order, to reach sockets that listen
// on those. A wildcard is reached on loopback: [::] first on [::1], which also
// reaches one that is for IPv6 only, then on 127.0.0.1, where IPv6 is off.
func DialAddrs(addrs []Address) []string {
	var out []string
	add := func(s string) {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	tcp := func(a netip.Addr, port uint16) { add(netip.AddrPortFrom(a, port).String()) }
	for _, a := range addrs {
		port := a.TCP.Port()
		switch {
		case a.Path != "":
			add(a.Path)
		case a.TCP.Addr() == netip.IPv4Unspecified():
			tcp(loopback4, port)
		case a.TCP.Addr() == netip.IPv6Unspecified():
			tcp(netip.IPv6Loopback(), port)
			tcp(loopback4, port)
		default:
			tcp(a.TCP.Addr(), port)
		}
	}
	return out
}

var loopback4 = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// Loopbacks are the addresses of a port on this machine.
func Loopbacks(port int) []string {
	return DialAddrs([]Address{{TCP: netip.AddrPortFrom(netip.IPv6Unspecified(), uint16(port))}})
}

// Probe says whether something listens on one of addrs now.
func Probe(addrs ...string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	for _, a := range addrs {
		if c, err := DialOnce(ctx, a); err == nil {
			c.Close()
			return true
		}
	}
	return false
}

// DialOnce connects to HOST:PORT or to the path of a Unix socket.
func DialOnce(ctx context.Context, addr string) (net.Conn, error) {
	d := net.Dialer{Timeout: 5 * time.Second}
	if strings.HasPrefix(addr, "/") {
		return d.DialContext(ctx, "unix", addr)
	}
	return d.DialContext(ctx, "tcp", addr)
}
