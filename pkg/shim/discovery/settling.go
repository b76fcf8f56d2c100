package discovery

import (
	"slices"
	"time"
)

const (
	// calm is how long the program must not have wanted a processor before
	// the first place where it listens is believed to be all of it. On a
	// small part of a processor, as functions have, 0.1 s alone says little.
	calm = 10 * time.Millisecond
	// busyLimit is when a program that is never calm is believed all the same.
	busyLimit = time.Second
)

// Settling measures for how long the program has listened where it does now.
// A server that the shim takes for the only one of several cannot be given
// back the shim's port, should it want that, too. The zero value is ready.
type Settling struct {
	found   []Address
	since   time.Duration // when found was seen first
	calm    time.Duration // when the program became calm; -1: it is not
	settled bool
}

// Age is the time since found changed, as Choose wants it. now is any time
// that goes on from call to call. While the program is busy starting, Age says
// less than any server needs to be believed that it was not told.
func (s *Settling) Age(now time.Duration, found []Address, busy func() bool) time.Duration {
	if !slices.Equal(found, s.found) {
		s.found, s.since, s.calm, s.settled = slices.Clone(found), now, -1, false
	}
	age := now - s.since
	if len(found) == 0 || age < settle-calm {
		return age
	}
	if !s.settled {
		if busy() {
			s.calm = -1
		} else if s.calm < 0 {
			s.calm = now
		}
		s.settled = age >= busyLimit || s.calm >= 0 && now-s.calm >= calm
	}
	if !s.settled {
		age = min(age, settle-1)
	}
	return age
}
