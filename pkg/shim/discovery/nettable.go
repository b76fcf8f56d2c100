package discovery

import (
	"bufio"
	"encoding/hex"
	"io"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// listener is one TCP socket that accepts connections.
type listener struct {
	addr  netip.AddrPort
	inode string
	uid   string
}

// tcpListen is the state TCP_LISTEN of linux/tcp_states.h, as
// /proc/net/tcp prints it.
const tcpListen = "0A"

// readListeners reads the listening sockets of this network namespace. It
// fails only where there is no /proc.
func readListeners() ([]listener, error) {
	var all []listener
	f, err := os.Open("/proc/self/net/tcp")
	if err != nil {
		return nil, err
	}
	all = parseListeners(all, f)
	f.Close()
	if f, err = os.Open("/proc/self/net/tcp6"); err == nil { // absent without IPv6
		all = parseListeners(all, f)
		f.Close()
	}
	return all, nil
}

// parseListeners reads the format of /proc/net/tcp and tcp6, which proc(5)
// describes: local address, state, uid and inode are fields 1, 3, 7 and 9.
// Lines that it does not understand are passed over.
func parseListeners(to []listener, r io.Reader) []listener {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 10 || f[3] != tcpListen {
			continue
		}
		if addr, ok := parseHexAddr(f[1]); ok {
			to = append(to, listener{addr, f[9], f[7]})
		}
	}
	return to
}

// parseHexAddr reads 0100007F:1F90. The address is printed as 32-bit words in
// the machine's byte order; every platform of ours is little-endian.
func parseHexAddr(s string) (netip.AddrPort, bool) {
	host, port, ok := strings.Cut(s, ":")
	n, err := strconv.ParseUint(port, 16, 16)
	if !ok || err != nil {
		return netip.AddrPort{}, false
	}
	b, err := hex.DecodeString(host)
	if err != nil || (len(b) != 4 && len(b) != 16) {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(b); i += 4 {
		b[i], b[i+1], b[i+2], b[i+3] = b[i+3], b[i+2], b[i+1], b[i]
	}
	ip, _ := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(ip.Unmap(), uint16(n)), true
}
