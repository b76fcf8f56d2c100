package check

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// host looks where the container listens on the function's port.
func (i *instance) host() Result {
	p, ok := i.run.(interface{ Processes() ([]int, error) })
	if !ok {
		return skipped("the runtime does not tell where it listens")
	}
	pids, err := p.Processes()
	if err != nil || len(pids) == 0 {
		return skipped("its processes cannot be read: %v", err)
	}
	var all []string
	for _, file := range []string{"tcp", "tcp6"} {
		f, err := os.Open(fmt.Sprintf("/proc/%d/net/%s", pids[0], file))
		if err != nil {
			continue // without IPv6 there is no tcp6
		}
		found, err := listening(bufio.NewScanner(f), i.function.Port)
		f.Close()
		if err != nil {
			return skipped("its sockets cannot be read: %v", err)
		}
		for _, a := range found {
			if !a.IsLoopback() {
				return passed("it listens on %s", netip.AddrPortFrom(a, uint16(i.function.Port)))
			}
			all = append(all, a.String())
		}
	}
	if len(all) == 0 {
		return skipped("nothing is seen to listen on port %d", i.function.Port)
	}
	return failed("listen on 0.0.0.0", "it listens on %s alone, where the platform cannot reach it (FunctionNotStarted)", strings.Join(all, ", "))
}

// listen is the state of a listening socket (Linux, net/tcp_states.h).
const listen = "0A"

// listening reads the addresses that listen on the port from /proc/net/tcp or
// tcp6 (proc_pid_net(5)).
func listening(lines *bufio.Scanner, port int) (addrs []netip.Addr, err error) {
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || fields[3] != listen {
			continue
		}
		address, hexPort, _ := strings.Cut(fields[1], ":")
		n, err := strconv.ParseUint(hexPort, 16, 16)
		if err != nil {
			return nil, fmt.Errorf("the port %q: %w", hexPort, err)
		}
		if int(n) != port {
			continue
		}
		b, err := hex.DecodeString(address)
		if err != nil || len(b)%4 != 0 {
			return nil, fmt.Errorf("the address %q is none", address)
		}
		// Each word is in this machine's order.
		for w := 0; w < len(b); w += 4 {
			binary.NativeEndian.PutUint32(b[w:], binary.BigEndian.Uint32(b[w:]))
		}
		a, ok := netip.AddrFromSlice(b)
		if !ok {
			return nil, fmt.Errorf("the address %q is none", address)
		}
		addrs = append(addrs, a.Unmap())
	}
	return addrs, lines.Err()
}
