package journal

import (
	"bytes"
	"fmt"
	"time"

	"github.com/imgbuild/imgbuild/pkg/fc"
)

const (
	// page is what a pipe that polls as writable takes without blocking.
	page = 4096
	// maxPrompt is the longest unended line that is cut at once where a request
	// ends; as JSON it fits in a page.
	maxPrompt = 512
	// full is from how many waiting bytes on a request writes them itself.
	full = 32 << 10
	// crowded is from how many on a request waits for gather, so that lines are
	// not lost only because the machine is busy.
	crowded = 256 << 10
	// A line of the program that is not ended is cut after patience of
	// silence. One that goes on is cut when the shim's have waited for longLine
	// (shortLine where it is below longBytes, as rows of dots are).
	shortLine = time.Second
	longLine  = time.Minute
	longBytes = 64 << 10
	// halfObject is the silence after which the beginning of a line becomes a
	// JSON object.
	halfObject = time.Second
)

// platform queues one of the platform's lines and returns how many bytes wait.
func platform[T string | []byte](s *stream, text string, id T, failed bool) int {
	end := "\n"
	if failed {
		end = fc.LogFailed + "\n"
	}
	waiting := add(&s.queue, text, id, end)
	if waiting > full {
		s.flushNow(false)
	}
	s.tend()
	return waiting
}

// say writes a line for people, without the newline.
func (s *stream) say(text string) {
	add(&s.queue, "", s.forPeople(nil, text), "")
	s.flushNow(false)
	s.tend()
}

// forPeople appends a line of the shim's own to b.
func (s *stream) forPeople(b []byte, text string) []byte {
	if s.json != nil {
		return appendObject(b, object{time: time.Now(), stream: s.name, message: []byte(text)})
	}
	return append(append(b, text...), '\n')
}

// flushNow writes the shim's waiting lines if that does not block, and says
// whether none wait. Who holds the output writes what others have queued
// meanwhile. mayCut allows to end a line of the program.
func (s *stream) flushNow(mayCut bool) bool {
	for s.queue.any.Load() {
		if !s.mu.TryLock() {
			return false
		}
		ok := s.few(mayCut)
		s.mu.Unlock()
		if !ok {
			return false
		}
	}
	s.j.tell()
	return true
}

// few writes the waiting lines as far as the output takes them at once, and
// says whether none is left. The caller holds mu.
func (s *stream) few(mayCut bool) bool {
	if s.unended > 0 {
		// It is only ended where the program is not just writing it: a long
		// line comes in large pieces, between which the pipe is empty.
		if !mayCut || s.unended > maxPrompt || s.piece > chunkSize/2 || s.written() > s.taken || !s.writable() {
			return false
		}
		s.cut()
		s.gate.flush()
	}
	w := s.takeLines()
	rest := w
	for len(rest) > 0 && s.writable() {
		n := len(rest)
		if n > page && !s.never {
			n = bytes.LastIndexByte(rest[:page], '\n') + 1
			if n == 0 {
				break // longer than a page: for the keeper, who may block
			}
		}
		s.gate.write(rest[:n])
		rest = rest[n:]
	}
	if len(rest) > 0 {
		s.queue.putBack(rest)
		return false
	}
	s.queue.done(w)
	return true
}

// writable says whether a page can be written without blocking.
func (s *stream) writable() bool { return s.never || writable(s.outFD) }

// takeLines takes what waits, and a note of what was dropped.
func (s *stream) takeLines() []byte {
	w, dropped := s.queue.take()
	if dropped > 0 {
		w = s.forPeople(w, fmt.Sprintf("shim: nobody read the output: %d log lines of the shim are missing here", dropped))
	}
	return w
}

// tend has the keeper look after the stream soon.
func (s *stream) tend() {
	if !s.armed.Load() && !s.armed.Swap(true) {
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
}

// keep writes what waits, as long as it takes, and lets go what is held back
// too long. It runs as long as the process.
func (s *stream) keep() {
	for range s.wake {
		for pause := gather; ; pause = min(2*pause, patience/4) {
			time.Sleep(pause)
			s.armed.Store(false)
			s.j.settle()
			rest := s.look()
			s.j.moved()
			if rest && (s != s.j.out || !s.j.ends.pending.Load()) {
				break
			}
		}
	}
}

// look says whether nothing is left to do.
func (s *stream) look() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	silence := time.Since(s.heard)
	silent := silence >= s.enough() && s.written() == s.taken
	if silent {
		s.release()
	}
	half := s.json != nil && len(s.json.line) > 0
	if half && silent && silence >= halfObject {
		s.json.release()
		s.flush()
		half = false
	}
	if s.queue.any.Load() && (s.unended == 0 || (silent || s.tooLong())) {
		s.cut()
		s.own()
		s.flush()
	}
	return !s.queue.any.Load() && !s.held() && !half
}

// enough is how long a silence tells that nothing more will come for now. A
// program in the middle of a large write may get no processor for a while.
func (s *stream) enough() time.Duration {
	if s.unended > page || s.piece > chunkSize/2 {
		return shortLine
	}
	return patience
}

// tooLong says whether the shim's lines no longer wait for the program to end
// its line, although it is writing.
func (s *stream) tooLong() bool {
	limit := longLine
	if s.unended < longBytes {
		limit = shortLine
	}
	return s.queue.waited() > limit
}
