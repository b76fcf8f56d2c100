package shim

import (
	"errors"
	"net/netip"
	"syscall"
	"time"

	"github.com/imgbuild/imgbuild/pkg/shim/clock"
	"github.com/imgbuild/imgbuild/pkg/shim/discovery"
)

const (
	// beforeReady is how long before the end of its patience the shim opens
	// its port for a function that listens nowhere: the caller then reads
	// what is wrong, in place of the platform's FunctionNotStarted.
	beforeReady = 5 * time.Second
	// stranger is how long the shim tries to get its port from a process
	// that is not the program's, such as a container that is just ending.
	stranger = 5 * time.Second
	// firstPause is the time between two looks at first. Later it grows with
	// the time that the program has taken already, to half a hundredth of it.
	firstPause = 500 * time.Microsecond
)

// watch follows where the program listens. It opens the shim's port when the
// program is ready, keeps the target up to date, and ends with the program.
func (s *supervisor) watch() {
	defer close(s.watched)
	told, own := toldPort(s.settings, s.env), listenPort(s.settings.Listen)
	var settling discovery.Settling
	// Times are of the shim running: a freeze makes nobody late. Pauses that
	// are longer than clock.Watch allows count for less, which matters no more
	// once the program is ready.
	var running clock.Watch
	refused := time.Duration(0)
	for {
		found, err := s.finder.Find()
		age := running.Elapsed()
		taken := onPort(found, own)
		addrs, ok := s.locate(found, taken, told, own, settling.Age(age, found, s.finder.Busy), err)
		if ok {
			s.listened.Store(true)
			s.target.Set(addrs...)
		} else {
			s.overdue(age)
		}
		expected := s.expectsServer && age > s.settings.Ready-min(beforeReady, s.settings.Ready/4)
		if !s.serving && (ok || expected) {
			switch err := s.open(taken); {
			case errors.Is(err, errOwned):
				s.listened.Store(true)
				return
			case errors.Is(err, syscall.EADDRINUSE) && (refused == 0 || age-refused < stranger):
				if refused == 0 {
					refused = max(age, 1)
				}
			case err != nil:
				s.fail(err)
				return
			}
		}
		if !s.pause(age, ok, !s.guess) {
			return
		}
		select {
		case <-s.polled():
			if !ok || s.guess {
				s.servePolling(taken)
				return
			}
		default:
		}
	}
}

// servePolling serves a program that listens nowhere, but polls the runtime
// API.
func (s *supervisor) servePolling(taken []netip.AddrPort) {
	s.listened.Store(true)
	s.use(s.api)
	if !s.serving {
		if err := s.open(taken); err != nil {
			s.fail(err)
		}
	}
}

// overdue says once that the program should listen by now.
func (s *supervisor) overdue(age time.Duration) {
	if s.expectsServer && age > s.settings.Ready && !s.late && !s.listened.Load() {
		s.late = true
		s.log.Say("the program has listened on no port for %s; it must serve HTTP on the port in PORT, or on any other (SHIM_READY_TIMEOUT)", s.settings.Ready)
	}
}

// locate says where requests go now. ok is false where the program does not
// listen yet, or listens where only the shim itself should.
func (s *supervisor) locate(found []discovery.Address, taken []netip.AddrPort, told, own int, age time.Duration, err error) ([]string, bool) {
	switch {
	case s.settings.Target != "":
		return []string{s.settings.Target}, s.serving || discovery.Probe(s.settings.Target)
	case err != nil: // no /proc: only the port that it was told can be tried
		return discovery.Loopbacks(told), s.serving || discovery.Probe(discovery.Loopbacks(told)...)
	}
	c, ok := discovery.Choose(found, told, own, age)
	if len(taken) > 0 && !c.Told {
		return dialTaken(taken), true
	}
	if s.guess = ok && !c.Told; s.guess && c.Others > 0 && !s.warned {
		s.warned = true
		s.log.Say("the program listens in several places; requests go to %s; set SHIM_TARGET to choose", c.Addrs[0])
	}
	return discovery.DialAddrs(c.Addrs), ok
}

func dialTaken(taken []netip.AddrPort) []string {
	var all []discovery.Address
	for _, a := range taken {
		all = append(all, discovery.Address{TCP: a})
	}
	return discovery.DialAddrs(all)
}

// pause waits until it is worth looking again. It returns false when the
// program has ended or the shim is shutting down.
func (s *supervisor) pause(age time.Duration, ready, sure bool) bool {
	d := min(max(age/200, firstPause), 100*time.Millisecond)
	switch {
	case s.serving && ready && (sure || age > s.settings.Ready):
		d = time.Hour // a connection that is refused makes it look again
	case s.serving && ready:
		d = time.Second // the port that it was told may still come
	case age > s.settings.Ready:
		d = 250 * time.Millisecond
	}
	t := time.NewTimer(d)
	defer t.Stop()
	look, polled := s.target.Look, s.polled()
	if !s.serving {
		look = nil
	}
	if ready && sure {
		polled = nil // it is a server that also polls something
	}
	select {
	case <-s.process.Done():
		return false
	case <-s.stopping:
		return false
	case <-look:
		return true
	case <-polled:
		return true
	case <-t.C:
		return true
	}
}
