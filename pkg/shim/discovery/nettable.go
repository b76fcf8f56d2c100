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

// procListen is the state TCP_LISTEN of linux/tcp_states.h, as /proc/net/tcp
// prints it; procAccepts is __SO_ACCEPTCON of linux/net.h and procStream is
// SOCK_STREAM, as /proc/net/unix prints them.
const (
	procListen  = "0A"
	procAccepts = 1 << 16
	procStream  = "0001"
)

// readTCPTables reads /proc/net/tcp and tcp6. It fails only where there is no
// /proc.
func readTCPTables(to []socket) ([]socket, error) {
	f, err := os.Open("/proc/self/net/tcp")
	if err != nil {
		return to, err
	}
	to = parseTCP(to, f)
	f.Close()
	if f, err = os.Open("/proc/self/net/tcp6"); err == nil { // absent without IPv6
		to = parseTCP(to, f)
		f.Close()
	}
	return to, nil
}

// readUnixTable reads /proc/net/unix, which is there wherever tcp is.
func readUnixTable(to []socket) []socket {
	f, err := os.Open("/proc/self/net/unix")
	if err != nil {
		return to
	}
	defer f.Close()
	return parseUnixTable(to, f)
}

// parseTCP reads the format of /proc/net/tcp and tcp6, which proc(5)
// describes: local address, state, uid and inode are fields 1, 3, 7 and 9.
// Lines that it does not understand are passed over.
func parseTCP(to []socket, r io.Reader) []socket {
	for lines := bufio.NewScanner(r); lines.Scan(); {
		f := strings.Fields(lines.Text())
		if len(f) < 10 || f[3] != procListen {
			continue
		}
		addr, ok := parseHexAddr(f[1])
		uid, err := strconv.ParseUint(f[7], 10, 32)
		inode, err2 := strconv.ParseUint(f[9], 10, 64)
		if ok && err == nil && err2 == nil && inode != 0 {
			to = append(to, socket{Address{TCP: addr}, inode, uint32(uid)})
		}
	}
	return to
}

// parseUnixTable reads the format of /proc/net/unix: flags, type and inode are
// fields 3, 4 and 6, and the path, which may hold spaces, is what follows.
func parseUnixTable(to []socket, r io.Reader) []socket {
	for lines := bufio.NewScanner(r); lines.Scan(); {
		var f [7]string
		path := lines.Text()
		for i := range f {
			f[i], path, _ = strings.Cut(strings.TrimLeft(path, " "), " ")
		}
		flags, err := strconv.ParseUint(f[3], 16, 32)
		inode, err2 := strconv.ParseUint(f[6], 10, 64)
		if err != nil || err2 != nil || inode == 0 || flags&procAccepts == 0 || f[4] != procStream ||
			path == "" || path[0] == '@' {
			continue
		}
		to = append(to, socket{Address{Path: path}, inode, unknownUser})
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
