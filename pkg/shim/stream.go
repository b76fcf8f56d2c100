package shim

import (
	"bytes"
	"errors"
	"os"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

const (
	chunkSize = 64 << 10
	// maxWaiting is how many bytes of the shim's own lines are kept while
	// nobody reads the output. Beyond it they are dropped and counted.
	maxWaiting = 256 << 10
	// patience is how long one of the shim's own lines waits for the program
	// to end its line, or for what the program wrote before to pass; busy is
	// the limit of the latter while somebody reads the output.
	patience = 20 * time.Millisecond
	busy     = time.Second
)

// stream is one output of the program on its way through the shim. Bytes pass
// as they come. The shim's own lines are put between the program's lines and
// never hold up who writes them: where the output is blocked they wait here.
type stream struct {
	out *os.File
	// in is the read end of the pipe; write its other end, for the program.
	in, write *os.File
	// drop says whether a line of the program is left out. nil keeps all.
	drop func(line []byte) bool
	done chan struct{} // closed when the program's output has ended

	mu      sync.Mutex
	read    int64  // bytes that came out of the pipe
	partial bool   // the last byte out was no newline
	held    []byte // the beginning of a line that drop may want

	waitingMu sync.Mutex
	waiting   []byte
	dropped   int
}

func newStream(out *os.File, drop func([]byte) bool) (*stream, error) {
	in, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	return &stream{out: out, in: in, write: write, drop: drop, done: make(chan struct{})}, nil
}

// pump carries the program's output until every process has closed it, or
// nobody reads it any more: then the program gets SIGPIPE as without a shim.
func (s *stream) pump() {
	defer close(s.done)
	defer s.in.Close()
	conn, err := s.in.SyscallConn()
	if err != nil {
		return
	}
	buf := make([]byte, chunkSize)
	for {
		var n int
		var failed error
		var holding bool
		// Reading and writing happen under one lock, so that who holds the
		// lock and finds the pipe empty knows that nothing is on its way.
		err := conn.Read(func(fd uintptr) bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			if n, failed = readFD(int(fd), buf); n > 0 {
				s.read += int64(n)
				failed = s.pass(buf[:n])
			}
			holding = len(s.held) > 0
			return failed != syscall.EAGAIN
		})
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			_ = s.in.SetReadDeadline(time.Time{})
			if s.release() == nil {
				continue
			}
			return
		case err != nil, failed != nil, n == 0:
			_ = s.release()
			return
		case holding:
			_ = s.in.SetReadDeadline(time.Now().Add(patience))
		}
	}
}

func readFD(fd int, buf []byte) (int, error) {
	for {
		n, err := syscall.Read(fd, buf)
		if err != syscall.EINTR {
			return max(n, 0), err
		}
	}
}

// release lets a held beginning go, because its line has not come.
func (s *stream) release() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.emitHeld()
}

func (s *stream) emitHeld() error {
	held := s.held
	s.held = nil
	return s.emit(held)
}

// pass writes a chunk of the program's output, without the lines to drop.
func (s *stream) pass(b []byte) error {
	if s.drop == nil {
		return s.emit(b)
	}
	if len(s.held) > 0 {
		b = append(s.held, b...)
		s.held = nil
	}
	keep := 0 // b[keep:] has not been written
	for i := 0; i < len(b); {
		end := bytes.IndexByte(b[i:], '\n')
		start := i > 0 || !s.partial // b[i] begins a line
		if start && mayBeLogLine(b[i:]) {
			if end < 0 {
				if len(b)-i < maxLogLine {
					s.held = bytes.Clone(b[i:])
					return s.emit(b[keep:i])
				}
			} else if s.drop(bytes.TrimSuffix(b[i:i+end], []byte("\r"))) {
				if err := s.emit(b[keep:i]); err != nil {
					return err
				}
				keep = i + end + 1
			}
		}
		if end < 0 {
			break
		}
		i += end + 1
	}
	return s.emit(b[keep:])
}

// emit writes b, with the shim's waiting lines at the first place where a line
// begins.
func (s *stream) emit(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	if w := s.take(); len(w) > 0 {
		at := 0
		if s.partial {
			at = bytes.IndexByte(b, '\n') + 1
		}
		if at == 0 && s.partial {
			s.putBack(w)
		} else {
			if err := writeAll(s.out, b[:at]); err != nil {
				return err
			}
			if err := writeAll(s.out, w); err != nil {
				return err
			}
			s.partial = false
			if b = b[at:]; len(b) == 0 {
				return nil
			}
		}
	}
	err := writeAll(s.out, b)
	s.partial = b[len(b)-1] != '\n'
	return err
}

// line puts one of the shim's own lines, which ends in a newline, between the
// program's.
func (s *stream) line(text string) {
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Microsecond) {
		late := time.Now().After(deadline)
		if s.mu.TryLock() {
			if late || !s.partial {
				s.wait(text)
				s.flush()
				s.mu.Unlock()
				return
			}
			s.mu.Unlock()
		}
		if late {
			s.wait(text)
			return
		}
	}
}

// settle waits until what the program has written by now is through: a moment
// where the output is blocked, longer where only the machine is busy.
func (s *stream) settle() {
	start := time.Now()
	for time.Since(start) < patience || time.Since(start) < busy && writable(s.out) {
		if s.mu.TryLock() {
			empty := s.unread() == 0 && len(s.held) == 0
			s.mu.Unlock()
			if empty {
				return
			}
		}
		time.Sleep(50 * time.Microsecond)
	}
}

// flush writes the waiting lines unless that would block. The caller holds mu.
func (s *stream) flush() {
	if !writable(s.out) {
		return
	}
	w := s.take()
	if len(w) > 0 && s.partial {
		w = append([]byte("\n"), w...)
	}
	// A pipe that polls as writable takes one page without blocking.
	n := len(w)
	if n > 4096 {
		n = bytes.LastIndexByte(w[:4096], '\n') + 1
	}
	if n > 0 && writeAll(s.out, w[:n]) == nil {
		s.partial = false
	}
	s.putBack(w[n:])
}

func (s *stream) unread() (n int32) {
	conn, err := s.in.SyscallConn()
	if err != nil {
		return 0
	}
	_ = conn.Control(func(fd uintptr) {
		_, _, _ = syscall.Syscall(syscall.SYS_IOCTL, fd, fionread, uintptr(unsafe.Pointer(&n)))
	})
	return n
}

// drain waits until what the program had written when it ended is through.
// Processes that it left behind may hold the pipe open and go on writing: they
// are not waited for. It gives up when stop is closed; until then it waits for
// a slow reader as the program itself would have done.
func (s *stream) drain(stop <-chan struct{}) {
	s.write.Close()
	goal := int64(-1)
	for pause := 50 * time.Microsecond; ; pause = min(2*pause, 5*time.Millisecond) {
		if s.mu.TryLock() {
			if goal < 0 {
				goal = s.read + int64(s.unread())
			}
			through := s.read >= goal
			if through {
				_ = s.emitHeld()
				s.flush()
			}
			s.mu.Unlock()
			if through {
				return
			}
		}
		select {
		case <-s.done:
			goal = 0
		case <-stop:
			return
		case <-time.After(pause):
		}
	}
}
