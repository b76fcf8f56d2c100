package journal

import (
	"bytes"
	"errors"
	"syscall"
	"time"
)

var newline = []byte("\n")

// gate is the last step of a stream: the program's bytes come in, and go out
// with the shim's own lines between. Its methods are called under stream.mu.
type gate struct {
	s     *stream
	veil  veil
	sieve sieve
	first func([]byte) // the first step of all
	json  *objects     // nil: lines stay as they are

	taken   int64 // bytes that came
	holding int64 // where passed stopped because something is held, or -1
	heard   time.Time
	unended int64 // bytes of the line that the program is in, 0 between lines
	piece   int   // bytes that came last
	last    partial
	buf     []byte // goes out next
	broken  bool   // nobody will read any more
}

func (g *gate) init(s *stream) {
	g.s, g.holding = s, -1
	g.first = g.emit
	if s.j.lines {
		g.sieve = sieve{copyOf: s.j.calls.copyOf, next: g.first}
		g.first = g.sieve.pass
	}
	if s.j.options.Mask {
		g.veil = veil{secrets: &s.j.secrets, next: g.first}
		g.first = g.veil.pass
	}
	if s.j.options.JSON {
		g.json = &objects{stream: s.name, calls: &s.j.calls, put: g.put, limit: maxObject}
	}
}

// pass takes what the program has written.
func (g *gate) pass(b []byte) {
	before := g.taken
	g.taken += int64(len(b))
	g.piece = len(b)
	g.first(b)
	g.flush()
	g.heard = time.Now()
	switch {
	case !g.held():
		g.holding = -1
		g.s.passed.Store(g.taken)
		if g.json != nil && len(g.json.line) > 0 {
			g.s.tend()
		}
		return
	case g.holding < 0:
		g.holding = before
	}
	// All up to the chunk in which holding began. It may be more; what is
	// held does not stay for long.
	g.s.passed.Store(g.holding)
	g.s.tend()
}

func (g *gate) held() bool { return len(g.veil.held) > 0 || len(g.sieve.held) > 0 }

// release lets go what is held back, because the rest has not come.
func (g *gate) release() {
	if g.held() {
		g.veil.release()
		g.sieve.release()
		g.flush()
		g.holding = -1
		g.s.passed.Store(g.taken)
	}
}

// finish lets everything go: nothing more will come.
func (g *gate) finish() {
	g.release()
	if g.json != nil {
		g.json.release()
		g.flush()
	}
}

// emit puts the shim's waiting lines at the first place where a line of the
// program begins.
func (g *gate) emit(b []byte) {
	if len(b) == 0 {
		return
	}
	if g.s.queue.any.Load() {
		at := 0
		if g.unended > 0 {
			at = bytes.IndexByte(b, '\n') + 1
		}
		if at > 0 || g.unended == 0 {
			g.program(b[:at])
			g.own()
			b = b[at:]
		}
	}
	g.program(b)
}

// program sends the program's bytes on.
func (g *gate) program(b []byte) {
	if len(b) == 0 {
		return
	}
	g.s.j.tail.note(&g.last, b)
	if n := bytes.LastIndexByte(b, '\n'); n >= 0 {
		g.unended = int64(len(b) - n - 1)
	} else {
		g.unended += int64(len(b))
	}
	g.s.half.Store(g.unended > 0)
	if g.json != nil {
		g.json.pass(b)
	} else {
		g.put(b)
	}
}

// own sends the shim's waiting lines on. The caller has made sure that a line
// begins here.
func (g *gate) own() {
	w := g.s.takeLines()
	g.put(w)
	g.s.queue.done(w)
}

// cut ends the program's line, so that one of the shim's can follow.
func (g *gate) cut() {
	if g.unended == 0 {
		return
	}
	if g.json != nil {
		g.json.release()
		g.json.rest = false
	} else {
		g.put(newline)
	}
	g.unended = 0
	g.s.half.Store(false)
	// What follows begins a line, also if it is a copy of one of the shim's.
	g.sieve.mid = false
	g.s.j.tail.note(&g.last, newline)
}

// put gathers b, so that small pieces go out together.
func (g *gate) put(b []byte) {
	if len(g.buf)+len(b) > chunkSize {
		g.flush()
	}
	if len(b) >= chunkSize/2 {
		g.flush()
		g.write(b)
		return
	}
	g.buf = append(g.buf, b...)
}

func (g *gate) flush() {
	g.write(g.buf)
	g.buf = g.buf[:0]
}

// write sends b to the container's output, as long as that takes. A full disk
// loses output; only where nobody reads any more it ends.
func (g *gate) write(b []byte) {
	if len(b) == 0 || g.broken {
		return
	}
	g.s.since.Store(int64(time.Since(epoch)))
	for len(b) > 0 {
		n, err := g.s.out.Write(b)
		b = b[n:]
		if errors.Is(err, syscall.EAGAIN) {
			// Some other process has made the file one that does not block.
			time.Sleep(time.Millisecond)
		} else if err != nil {
			g.broken = errors.Is(err, syscall.EPIPE)
			break
		}
	}
	g.s.since.Store(0)
}
