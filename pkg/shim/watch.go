package shim

import (
	"errors"
	"net/netip"
	"slices"
	"syscall"
	"time"

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
	told, own := toldPort(s.settings, s.env), listenPort(s.settings.Listen)
	started := time.Now()
	var last []discovery.Address
	since, refused := started, time.Time{}
	for {
		found, err := s.discovery.Find()
		now := time.Now()
		if !slices.Equal(found, last) {
			last, since = slices.Clone(found), now
		}
		taken := onPort(found, own)
		addrs, ok := s.locate(found, taken, told, own, now.Sub(since), err)
		if ok {
			s.target.Set(addrs...)
		}
		expected := s.expectsServer && now.Sub(started) > s.settings.Ready-min(beforeReady, s.settings.Ready/4)
		if !s.serving && (ok || expected) {
			switch err := s.open(taken); {
			case errors.Is(err, errOwned):
				return
			case errors.Is(err, syscall.EADDRINUSE) && (refused.IsZero() || now.Sub(refused) < stranger):
				if refused.IsZero() {
					refused = now
				}
			case err != nil:
				s.fatal <- err
				return
			}
		}
		if !s.pause(now.Sub(started), ok, !s.guess) {
			return
		}
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
		s.say("the program listens in several places; requests go to %s; set SHIM_TARGET to choose", c.Addrs[0])
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

// open binds the shim's port and serves on it.
func (s *supervisor) open(taken []netip.AddrPort) error {
	listeners, err := bind(s.settings.Listen, taken)
	if err != nil {
		return err
	}
	s.serving = true
	for _, l := range listeners {
		go func() {
			if err := s.relay.serve(l); err != nil {
				select {
				case s.fatal <- err:
				default:
				}
			}
		}()
	}
	return nil
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
	look := s.target.Look
	if !s.serving {
		look = nil
	}
	select {
	case <-s.process.Done():
		return false
	case <-s.stopping:
		return false
	case <-look:
		return true
	case <-t.C:
		return true
	}
}
