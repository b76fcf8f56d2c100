package shim

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/imgbuild/imgbuild/pkg/shim/clock"
)

// catch takes the signals that stop a container, before the program is
// started, so that none is lost; the program starts with Linux's defaults.
func catch() chan os.Signal {
	c := make(chan os.Signal, 64)
	signal.Notify(c, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT)
	// The program may write to an output that nobody reads before supervise
	// has taken all signals. That must not end the shim; nobody looks at it.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	return c
}

// supervise forwards signals until the program ends and returns its exit code,
// and whether the shim was told to stop.
func (s *supervisor) supervise(signals chan os.Signal) (code int, stopped bool) {
	// All the others now: to take them costs more time than to start the
	// program does. Go gives 32 to 34, which C libraries keep for themselves,
	// to nobody.
	signal.Notify(signals)
	var ended <-chan struct{}
	if s.process != nil {
		ended = s.process.Done()
	}
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
		s.pass(syscall.SIGTERM) // asked twice: no more draining
	}
	for {
		select {
		case <-ended:
			if code == 0 {
				code = s.process.Code()
			}
			return code, stopped
		case sig := <-signals:
			switch n, _ := sig.(syscall.Signal); {
			case n == syscall.SIGCHLD, n == syscall.SIGURG, n == syscall.SIGPIPE:
				// Ours: the reaper's, the Go scheduler's, and what a write
				// to an output that nobody reads gives to this process.
			case n == syscall.SIGTERM, n == syscall.SIGINT && s.process == nil:
				end()
			default:
				s.pass(n)
			}
		case <-drained:
			if drained = nil; s.process == nil {
				return code, stopped
			}
			s.pass(syscall.SIGTERM)
		case <-late:
			if late = nil; s.process != nil {
				s.process.Kill()
			}
		case err := <-s.fatal:
			s.log.Say("%v; the program is ended", err)
			code = 1
			if !stopped {
				end()
			}
		}
	}
}

// pass gives a signal to the program.
func (s *supervisor) pass(n syscall.Signal) {
	if s.process != nil {
		s.process.Signal(n)
	}
}

// drainRequests stops accepting and waits for the requests in flight, at most
// four fifths of the grace: the rest is for the program to end in. What it
// still answers then, or that it has ended, reaches the clients for half of
// that. The other half is for programs that wait for their connections to end.
func (s *supervisor) drainRequests() {
	ctx, cancel := context.WithCancel(s.running)
	clock.AfterFunc(s.settings.Grace*9/10, cancel)
	answered := make(chan struct{})
	go func() { defer close(answered); s.servers.shutdown(ctx) }()
	late, stop := clock.After(s.settings.Grace * 4 / 5)
	defer stop()
	select {
	case <-answered:
	case <-late:
	}
}
