package journal

import "time"

// lastLines is how long the last lines wait at the end for somebody to read the
// output.
const lastLines = time.Second

// Drain is called when the program has ended. It waits until what it had
// written is through. Processes that it left behind may hold the pipes open
// and go on writing: they are not waited for. Drain gives up when stop is
// closed; until then (nil: for ever) it waits for a slow reader as the program
// itself would have done.
func (j *Journal) Drain(stop <-chan struct{}) {
	for _, s := range j.streams() {
		if s.write != nil {
			s.write.Close()
		}
	}
	goals := j.goals()
	if !until(stop, nil, func() bool { return j.reached(goals) }) {
		return
	}
	limit := time.NewTimer(lastLines)
	defer limit.Stop()
	for _, s := range j.streams() {
		until(stop, limit.C, s.tryFinish)
	}
	until(stop, limit.C, func() bool {
		done := j.settle() && j.out.flushNow(true)
		return j.err.flushNow(true) && done
	})
}

// CatchUp waits until what the program has written by now has passed, but not for
// long where nobody reads it.
func (j *Journal) CatchUp() {
	limit := time.NewTimer(lastLines)
	defer limit.Stop()
	written := j.goals()
	until(nil, limit.C, func() bool { return j.reached(written) })
}

// tryFinish lets everything go that the stream holds back.
func (s *stream) tryFinish() bool {
	if !s.mu.TryLock() {
		return false
	}
	defer s.mu.Unlock()
	s.finish()
	return true
}

// until asks done again and again.
func until(stop <-chan struct{}, limit <-chan time.Time, done func() bool) bool {
	for pause := 50 * time.Microsecond; !done(); pause = min(2*pause, 5*time.Millisecond) {
		select {
		case <-stop:
			return false
		case <-limit:
			return false
		case <-time.After(pause):
		}
	}
	return true
}
