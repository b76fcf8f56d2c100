package shim

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/imgbuild/imgbuild/pkg/shim/clock"
)

// catch takes all signals. It is called before the program is started, so
// that none is lost; the program starts with Linux's defaults. Go does not
// give 32 to 34, which C libraries keep for themselves, to anybody.
func catch() chan os.Signal {
	c := make(chan os.Signal, 64)
	signal.Notify(c)
	return c
}

// supervise forwards signals until the program ends and returns its exit code,
// and whether the shim was told to stop.
func (s *supervisor) supervise(signals <-chan os.Signal) (code int, stopped bool) {
	var late <-chan struct{}
	drained := make(chan struct{})
	end := func() {
		if !stopped {
			stopped = true
			close(s.stopping)
			late, _ = clock.After(s.settings.Grace)
			go func() { defer close(drained); s.drainRequests() }()
			return
		}
		s.process.Signal(syscall.SIGTERM) // asked twice: no more draining
	}
	failed := false
	for {
		select {
		case <-s.process.Done():
			if failed {
				return 1, stopped
			}
			return s.process.Code(), stopped
		case sig := <-signals:
			switch n, _ := sig.(syscall.Signal); n {
			case syscall.SIGCHLD, syscall.SIGURG, syscall.SIGPIPE:
				// Ours: the reaper's, the Go scheduler's, and what a write
				// to an output that nobody reads gives to this process.
			case syscall.SIGTERM:
				end()
			default:
				s.process.Signal(n)
			}
		case <-drained:
			drained = nil
			s.process.Signal(syscall.SIGTERM)
		case <-late:
			late = nil
			s.process.Kill()
		case err := <-s.fatal:
			s.say("%v; the program is ended", err)
			failed = true
			if !stopped {
				end()
			}
		}
	}
}

// drainRequests stops accepting and waits for the requests in flight, at most
// four fifths of the grace: the rest is for the program to end in.
func (s *supervisor) drainRequests() {
	ctx, cancel := context.WithTimeout(context.Background(), s.settings.Grace*4/5)
	defer cancel()
	s.relay.shutdown(ctx)
}
