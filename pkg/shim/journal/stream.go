package journal

import (
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	chunkSize = 64 << 10
	// gather is how long the shim's own lines wait for company. It is the
	// price of a wake-up of the keeper in each of these intervals.
	gather = 2 * time.Millisecond
	// patience is how long a request waits for output to pass, how long the
	// program must be silent in the middle of a line before one of the shim's
	// may cut it, and how long a beginning is held back.
	patience = 20 * time.Millisecond
	// deadReader is how long an output is blocked until End lines no longer
	// wait for what the program wrote to it.
	deadReader = time.Second
)

// stream is one output of the program. Three locks, taken in this order, and
// none of the first two within the third: mu while bytes go out (it may be
// held as long as the output is blocked), readMu while bytes come in, queue.mu
// while a line is put into the queue.
type stream struct {
	j    *Journal
	name string
	out  *os.File
	// in is the read end of the program's pipe, write the end for the program.
	// nil: the program's output does not pass here.
	in, write *os.File
	inFD      int
	outFD     int
	never     bool // out never blocks
	started   sync.Once

	readMu sync.Mutex
	read   int64 // bytes that came out of the pipe
	closed bool

	// passed is how many of them are through, and not held back.
	passed atomic.Int64
	half   atomic.Bool  // the program is in the middle of a line
	since  atomic.Int64 // when the write that has not returned began; see stuck

	mu sync.Mutex
	gate

	queue queue
	armed atomic.Bool
	wake  chan struct{}
}

// newStream makes a stream to out, with a pipe where the program's output is
// to pass.
func (j *Journal) newStream(name string, out *os.File, through bool) (*stream, error) {
	s := &stream{j: j, name: name, out: out, closed: !through, wake: make(chan struct{}, 1)}
	s.gate.init(s)
	var err error
	if s.outFD, err = descriptor(out); err != nil {
		return nil, err
	}
	s.never = neverBlocks(out)
	if through {
		if s.in, s.write, err = os.Pipe(); err != nil {
			return nil, err
		}
		if s.inFD, err = descriptor(s.in); err != nil {
			return nil, err
		}
	}
	go s.keep()
	return s, nil
}

// child is what the program gets.
func (s *stream) child() *os.File {
	if s.write != nil {
		return s.write
	}
	return s.out
}

func (s *stream) close() {
	if s.in != nil {
		s.in.Close()
		s.write.Close()
	}
}

func (s *stream) start() {
	if s.in != nil {
		s.started.Do(func() {
			s.write.Close()
			go s.pump()
		})
	}
}

// pump carries the program's output until every process has closed it, or
// nobody reads it any more: then the program gets SIGPIPE as without a shim.
func (s *stream) pump() {
	conn, err := s.in.SyscallConn()
	if err != nil {
		return
	}
	buf := make([]byte, chunkSize)
	for {
		var n int
		var failed error
		err := conn.Read(func(fd uintptr) bool {
			// Under the lock, so that who asks how much was written counts no
			// byte twice and misses none.
			s.readMu.Lock()
			defer s.readMu.Unlock()
			n, failed = read(int(fd), buf)
			s.read += int64(n)
			return failed != syscall.EAGAIN
		})
		ended := err != nil || failed != nil || n == 0
		if s != s.j.out {
			s.j.out.flushNow(false) // Start lines come before stderr, too
		}
		s.mu.Lock()
		if ended {
			s.finish()
		} else {
			s.pass(buf[:n])
		}
		broken := s.broken
		s.mu.Unlock()
		if ended || broken {
			s.readMu.Lock()
			s.closed = true
			s.in.Close()
			s.passed.Store(s.read)
			s.readMu.Unlock()
		}
		s.j.moved()
		if ended || broken {
			return
		}
	}
}

// written is how many bytes the program has written by now.
func (s *stream) written() int64 {
	s.readMu.Lock()
	defer s.readMu.Unlock()
	if s.closed {
		return s.read
	}
	return s.read + unread(s.inFD)
}

// stuck says whether the output has been blocked for so long that it makes no
// sense to wait for it.
func (s *stream) stuck() bool { return s.blocked() > s.j.patience }

// blocked is how long the write that is being done has taken.
func (s *stream) blocked() time.Duration {
	t := s.since.Load()
	if t == 0 {
		return 0
	}
	return time.Since(epoch) - time.Duration(t)
}

// epoch is what stream.since counts from, on the clock that never jumps.
var epoch = time.Now()
