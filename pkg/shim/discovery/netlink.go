package discovery

import (
	"fmt"
	"syscall"
)

// diag asks Linux for sockets by way of netlink (sock_diag(7)). /proc/net/tcp
// tells the same but walks every connection of the network namespace.
type diag struct {
	fd  int
	seq uint32
	buf []byte
}

// headSize is that of struct nlmsghdr.
const headSize = 16

// answerLimit is how much of an answer is read. Linux does not make messages
// of a dump longer than 32 KB.
const answerLimit = 32 << 10

func openDiag() (*diag, error) {
	fd, err := syscall.Socket(syscall.AF_NETLINK, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, netlinkSockDiag)
	if err != nil {
		return nil, fmt.Errorf("opening a sock_diag socket: %w", err)
	}
	// Linux answers at once. Where it should not, this must not hang.
	_ = syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &syscall.Timeval{Sec: 1})
	return &diag{fd: fd, buf: make([]byte, answerLimit)}, nil
}

func (d *diag) close() { _ = syscall.Close(d.fd) }

// dump sends a request and appends the sockets of the answer.
func (d *diag) dump(to []socket, request []byte) ([]socket, error) {
	d.seq++
	m := make([]byte, headSize, headSize+len(request))
	native.PutUint32(m, uint32(headSize+len(request)))
	native.PutUint16(m[4:], sockDiagByFamily)
	native.PutUint16(m[6:], syscall.NLM_F_REQUEST|syscall.NLM_F_DUMP)
	native.PutUint32(m[8:], d.seq)
	if err := syscall.Sendto(d.fd, append(m, request...), 0, &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK}); err != nil {
		return to, fmt.Errorf("asking sock_diag: %w", err)
	}
	for {
		n, _, err := syscall.Recvfrom(d.fd, d.buf, 0)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return to, fmt.Errorf("reading from sock_diag: %w", err)
		}
		var done bool
		if to, done, err = parseDump(to, d.buf[:n], d.seq); done || err != nil {
			return to, err
		}
	}
}

// parseDump reads the messages of one datagram. done says that the dump has
// ended. Messages of an earlier request are passed over.
func parseDump(to []socket, b []byte, seq uint32) (sockets []socket, done bool, err error) {
	for len(b) >= headSize {
		n := int(native.Uint32(b))
		if n < headSize || n > len(b) {
			return to, false, errDiag
		}
		if body := b[headSize:n]; native.Uint32(b[8:]) == seq {
			switch native.Uint16(b[4:]) {
			case syscall.NLMSG_DONE:
				return to, true, nil
			case syscall.NLMSG_ERROR:
				if len(body) < 4 {
					return to, false, errDiag
				}
				return to, false, fmt.Errorf("sock_diag: %w", syscall.Errno(-int32(native.Uint32(body))))
			case sockDiagByFamily:
				if s, ok := parseAnswer(body); ok {
					to = append(to, s)
				}
			}
		}
		b = b[min((n+3)&^3, len(b)):]
	}
	return to, false, nil
}
