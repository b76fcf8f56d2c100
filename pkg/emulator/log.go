package emulator

import (
	"bytes"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/imgbuild/imgbuild/pkg/fc"
)

const (
	// tailBytes is how much of a call's log its caller gets, as with the
	// platform's x-fc-log-type: Tail.
	tailBytes = 4 << 10
	// maxLine is how much of an unended line is held back until its end comes.
	maxLine = 32 << 10
)

// journal is the output of an instance: passed on in whole lines, and cut by
// calls.
type journal struct {
	out io.Writer

	mu   sync.Mutex
	last tail // of all, for errors of starting
	cuts []*cut
}

// cut is the log of one call: what stands between its Start and End lines, or,
// of a program that writes none, what came while it ran.
type cut struct {
	start, end string
	tail       tail
	begun      chan struct{} // closed at the Start line
	ended      chan struct{} // closed at the End line
}

// begin begins to cut the log of a call.
func (j *journal) begin(kind fc.Call, id string) *cut {
	c := &cut{start: kind.StartLine(id), end: kind.EndLine(id, false), begun: make(chan struct{}), ended: make(chan struct{})}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.cuts = append(j.cuts, c)
	return c
}

// The output comes through pipes, after the answer maybe.
const startPatience = 10 * time.Millisecond

var endPatience = 200 * time.Millisecond // longer in tests

// finish ends a cut that is begun and returns the log. Where wait is set, what
// is still on its way gets a moment.
func (j *journal) finish(c *cut, wait bool) []byte {
	if wait && within(c.begun, startPatience) {
		within(c.ended, endPatience)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for i := range j.cuts {
		if j.cuts[i] == c {
			j.cuts = append(j.cuts[:i], j.cuts[i+1:]...)
			break
		}
	}
	return c.tail.bytes()
}

// within waits until the channel is closed or the time is up.
func within(c <-chan struct{}, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-c:
		return true
	case <-t.C:
		return isClosed(c) // both may be so after a pause
	}
}

// tailOf is the end of all output, without the space around it.
func (j *journal) tailOf() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.TrimSpace(string(j.last.bytes()))
}

// line takes a line with its end, or a piece of a long one.
func (j *journal) line(b []byte) {
	j.mu.Lock()
	j.last.add(b)
	for _, c := range j.cuts {
		c.line(b)
	}
	j.mu.Unlock()
	_, _ = j.out.Write(b) // whoever reads it may have gone
}

func (c *cut) line(b []byte) {
	if isClosed(c.ended) {
		return
	}
	text := string(bytes.TrimRight(b, "\r\n"))
	if text == c.start && !isClosed(c.begun) {
		c.tail.reset()
		close(c.begun)
	}
	c.tail.add(b)
	if text == c.end || text == c.end+fc.LogFailed {
		close(c.ended)
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// lines is one of an instance's outputs as an io.Writer.
type lines struct {
	to   *journal
	mu   sync.Mutex
	rest []byte // of a line that has not ended
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(p)
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\n') + 1
		if i == 0 {
			i = len(p)
		}
		i = min(i, maxLine-len(l.rest))
		l.rest = append(l.rest, p[:i]...)
		if p = p[i:]; len(l.rest) == maxLine || l.rest[len(l.rest)-1] == '\n' {
			l.flush()
		}
	}
	return n, nil
}

// end passes on what had no end of line.
func (l *lines) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.rest) > 0 {
		l.rest = append(l.rest, '\n')
		l.flush()
	}
}

func (l *lines) flush() {
	l.to.line(l.rest)
	l.rest = l.rest[:0]
}

// tail keeps the last bytes that were added.
type tail struct{ b []byte }

func (t *tail) add(p []byte) {
	if t.b = append(t.b, p...); len(t.b) > 2*tailBytes {
		t.b = append(t.b[:0], t.b[len(t.b)-tailBytes:]...)
	}
}

func (t *tail) reset() { t.b = t.b[:0] }

// bytes is a copy.
func (t *tail) bytes() []byte { return bytes.Clone(t.b[max(0, len(t.b)-tailBytes):]) }
