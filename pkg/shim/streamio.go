package shim

import (
	"fmt"
	"os"
	"syscall"
	"unsafe"
)

// fionread is FIONREAD of asm-generic/ioctls.h: the bytes waiting in a pipe.
const fionread = 0x541B

// pollOut is POLLOUT of asm-generic/poll.h.
const pollOut = 4

// writable says whether a page can be written to f without blocking.
func writable(f *os.File) bool {
	fd := struct {
		fd      int32
		events  int16
		revents int16
	}{int32(f.Fd()), pollOut, 0}
	var now syscall.Timespec
	n, _, errno := syscall.Syscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&fd)), 1, uintptr(unsafe.Pointer(&now)), 0, 0, 0)
	return errno == 0 && n == 1 && fd.revents&pollOut != 0
}

func writeAll(f *os.File, b []byte) error {
	if len(b) == 0 {
		return nil
	}
	_, err := f.Write(b)
	return err
}

// wait keeps a line until it can be written.
func (s *stream) wait(text string) {
	s.waitingMu.Lock()
	defer s.waitingMu.Unlock()
	if len(s.waiting)+len(text) > maxWaiting {
		s.dropped++
		return
	}
	s.waiting = append(s.waiting, text...)
}

// take returns the waiting lines, with a note of those that were dropped.
func (s *stream) take() []byte {
	s.waitingMu.Lock()
	defer s.waitingMu.Unlock()
	w := s.waiting
	s.waiting = nil
	if s.dropped > 0 && len(w) > 0 {
		w = fmt.Appendf(w, "shim: nobody read the output: %d log lines of the shim are missing here\n", s.dropped)
		s.dropped = 0
	}
	return w
}

// putBack returns what take gave and could not be written.
func (s *stream) putBack(w []byte) {
	if len(w) == 0 {
		return
	}
	s.waitingMu.Lock()
	defer s.waitingMu.Unlock()
	s.waiting = append(w, s.waiting...)
}
