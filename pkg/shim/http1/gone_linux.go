package http1

import "syscall"

// tcpState asks for the state of a TCP connection (tcp(7), TCP_INFO). The
// first of the four bytes asked for is tcpi_state, with the values of the
// kernel's net/tcp_states.h.
func tcpState(raw syscall.RawConn) (state connState) {
	err := raw.Control(func(fd uintptr) {
		v, err := syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_INFO)
		if err != nil {
			return // not TCP
		}
		switch byte(v) {
		case 7: // TCP_CLOSE
			state = stateReset
		case 8: // TCP_CLOSE_WAIT
			state = stateFIN
		}
	})
	if err != nil {
		return stateReset // it was closed here
	}
	return state
}
