package discovery

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
)

// Times after which a port that the program was not told to use is believed
// to be its server, and not the first of several.
const (
	settle         = 100 * time.Millisecond
	settleUnlikely = 3 * time.Second
)

// debugPorts are where the debuggers of Node.js, Python and Java listen.
var debugPorts = []uint16{9229, 5678, 5005}

// FirstEphemeral is where Linux begins to choose ports by itself
// (ip_local_port_range).
const FirstEphemeral = 32768

// likelihood orders the ports of a program: 0 the one it was told, 1 a server,
// 2 a server for this machine only, 3 what hardly is one: a debugger, or a
// random port on loopback as workers use among themselves.
func likelihood(a netip.AddrPort, told int) int {
	switch {
	case int(a.Port()) == told:
		return 0
	case slices.Contains(debugPorts, a.Port()), a.Addr().IsLoopback() && a.Port() >= FirstEphemeral:
		return 3
	case a.Addr().IsLoopback():
		return 2
	}
	return 1
}

// Choice is where requests go.
type Choice struct {
	// Addrs are all addresses of the chosen port.
	Addrs []netip.AddrPort
	// Told says it is the port the program was told; any other one is a guess.
	Told bool
	// Others counts other ports that the program listens on.
	Others int
}

// Choose picks the program's port among the addresses it listens on, which
// have been the same for the time age. ok is false while it is too early.
func Choose(found []netip.AddrPort, told, own int, age time.Duration) (c Choice, ok bool) {
	found = slices.DeleteFunc(slices.Clone(found), func(a netip.AddrPort) bool { return int(a.Port()) == own })
	if len(found) == 0 {
		return c, false
	}
	best := slices.MinFunc(found, func(a, b netip.AddrPort) int {
		return cmp.Or(likelihood(a, told)-likelihood(b, told), int(a.Port())-int(b.Port()))
	})
	switch l := likelihood(best, told); {
	case l == 3 && age < settleUnlikely, l > 0 && age < settle:
		return c, false
	default:
		c.Told = l == 0
	}
	ports := map[uint16]bool{}
	for _, a := range found {
		ports[a.Port()] = true
		if a.Port() == best.Port() {
			c.Addrs = append(c.Addrs, a)
		}
	}
	c.Others = len(ports) - 1
	return c, true
}

// DialAddrs are the addresses to try, in order, to reach sockets that listen
// on those. A wildcard is reached on loopback: [::] first on [::1], which also
// reaches one that is for IPv6 only, then on 127.0.0.1, where IPv6 is off.
func DialAddrs(addrs []netip.AddrPort) []string {
	var out []string
	add := func(a netip.Addr, port uint16) {
		if s := netip.AddrPortFrom(a, port).String(); !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	for _, a := range addrs {
		switch {
		case a.Addr() == netip.IPv4Unspecified():
			add(netip.AddrFrom4([4]byte{127, 0, 0, 1}), a.Port())
		case a.Addr() == netip.IPv6Unspecified():
			add(netip.IPv6Loopback(), a.Port())
			add(netip.AddrFrom4([4]byte{127, 0, 0, 1}), a.Port())
		default:
			add(a.Addr(), a.Port())
		}
	}
	return out
}
