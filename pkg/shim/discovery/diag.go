package discovery

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"syscall"
)

// Of linux/sock_diag.h, linux/inet_diag.h and linux/unix_diag.h.
const (
	netlinkSockDiag  = 4
	sockDiagByFamily = 20
	stateListen      = 10 // TCP_LISTEN, for Unix sockets, too

	udiagShowName = 0x01
	udiagShowUID  = 0x40
	unixDiagName  = 0
	unixDiagUID   = 7

	inetRequestSize = 56 // struct inet_diag_req_v2
	inetAnswerSize  = 72 // struct inet_diag_msg
	unixRequestSize = 24 // struct unix_diag_req
	unixAnswerSize  = 16 // struct unix_diag_msg
)

// errDiag reports that Linux answers in a way that is not understood.
var errDiag = errors.New("sock_diag: unexpected answer")

// native is the byte order of netlink, which is the machine's. Every platform
// of ours is little-endian.
var native = binary.LittleEndian

// inetRequest asks for the listening TCP sockets of a family. A dump with that
// state alone walks the table of listeners and not that of connections.
func inetRequest(family byte) []byte {
	b := make([]byte, inetRequestSize)
	b[0], b[1] = family, syscall.IPPROTO_TCP
	native.PutUint32(b[4:], 1<<stateListen)
	return b
}

// unixRequest asks for the listening Unix sockets with names and users.
func unixRequest() []byte {
	b := make([]byte, unixRequestSize)
	b[0] = syscall.AF_UNIX
	native.PutUint32(b[4:], 1<<stateListen)
	native.PutUint32(b[12:], udiagShowName|udiagShowUID)
	return b
}

// parseAnswer reads one message of either kind. ok is false for a socket that
// does not matter: one that has no name in the file system.
func parseAnswer(b []byte) (s socket, ok bool) {
	if len(b) == 0 {
		return s, false
	}
	switch b[0] {
	case syscall.AF_INET, syscall.AF_INET6:
		return parseInet(b)
	case syscall.AF_UNIX:
		return parseUnix(b)
	}
	return s, false
}

// parseInet reads struct inet_diag_msg: port and address of this side are at 4
// and 8 in network byte order, user and inode at its end.
func parseInet(b []byte) (s socket, ok bool) {
	if len(b) < inetAnswerSize || b[1] != stateListen {
		return s, false
	}
	ip := netip.AddrFrom4([4]byte(b[8:12]))
	if b[0] == syscall.AF_INET6 {
		ip = netip.AddrFrom16([16]byte(b[8:24])).Unmap()
	}
	s.TCP = netip.AddrPortFrom(ip, binary.BigEndian.Uint16(b[4:]))
	s.uid, s.inode = native.Uint32(b[64:]), uint64(native.Uint32(b[68:]))
	return s, s.inode != 0
}

// parseUnix reads struct unix_diag_msg and the attributes after it.
func parseUnix(b []byte) (s socket, ok bool) {
	if len(b) < unixAnswerSize || b[1] != syscall.SOCK_STREAM || b[2] != stateListen {
		return s, false
	}
	s.inode, s.uid = uint64(native.Uint32(b[4:])), unknownUser
	for kind, value := range attributes(b[unixAnswerSize:]) {
		switch {
		case kind == unixDiagName && len(value) > 0 && value[0] != 0: // else it is an abstract name
			path, _, _ := bytes.Cut(value, []byte{0})
			s.Path = string(path)
		case kind == unixDiagUID && len(value) >= 4:
			s.uid = native.Uint32(value)
		}
	}
	return s, s.Path != "" && s.inode != 0
}

// attributes walks netlink attributes: length with this head of 4 bytes, type,
// value, each aligned to 4 (netlink(7)).
func attributes(b []byte) func(yield func(kind uint16, value []byte) bool) {
	return func(yield func(uint16, []byte) bool) {
		for len(b) >= 4 {
			n := int(native.Uint16(b))
			if n < 4 || n > len(b) || !yield(native.Uint16(b[2:]), b[4:n]) {
				return
			}
			b = b[min((n+3)&^3, len(b)):]
		}
	}
}
