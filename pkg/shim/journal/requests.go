package journal

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/imgbuild/imgbuild/pkg/fc"
)

// startText and endText are the platform's lines up to the request's id.
var startText, endText = func() (start, end [fc.PreStop + 1]string) {
	for c := range start {
		start[c] = fc.Call(c).StartLine("")
		end[c] = fc.Call(c).EndLine("", false)
	}
	return
}()

const (
	// manyEnds is from how many calls on, that have ended, a request does the
	// keeper's work.
	manyEnds = 1 << 10
	// maxEnds bounds them.
	maxEnds = 16 << 10
)

// Begin writes the Start line of a request, before anything that the program
// writes because of it. It does not wait for the output: at most it slows
// requests down whose lines come faster than they can be written.
func (j *Journal) Begin(call fc.Call, id string) {
	first := j.inflight.Add(1) == 1
	if j.lines || j.options.JSON {
		j.calls.begin(keyOf(call, id), id)
	}
	if !j.lines {
		return
	}
	if platform(j.out, startText[call], id, false) > crowded && !j.out.stuck() {
		time.Sleep(gather)
	}
	if first && j.out.half.Load() {
		// A line that the program has not ended was there before.
		j.out.flushNow(true)
	}
}

// End writes the End line, after everything that the program has written by
// now. When no other request is in flight it waits for that, but not for long
// and not where an output is stuck: then the line follows as soon as it can.
func (j *Journal) End(call fc.Call, id string, failed bool) {
	alone := j.inflight.Add(-1) == 0
	if !j.lines && !j.options.JSON {
		return
	}
	k := keyOf(call, id)
	if !j.lines {
		j.calls.end(k)
		return
	}
	if n := j.ends.add(ended{call: call, key: k, failed: failed}, id); n > manyEnds {
		j.settle()
		if n > maxEnds {
			// The program's output does not pass any more.
			j.drop()
		}
	}
	if alone && j.await(func() bool { return j.settle() && j.out.flushNow(true) }) {
		return
	}
	j.out.tend()
}

// ends are requests that have ended and whose End lines are to come.
type ends struct {
	mu sync.Mutex
	// fresh have just ended. marked are written when the streams have passed
	// goals.
	fresh, marked batch
	goals         [2]int64
	pending       atomic.Bool
}

// batch is some calls in one piece of memory that is used again and again:
// requests' strings are not kept beyond their end.
type batch struct {
	calls []ended
	ids   []byte
}

type ended struct {
	call   fc.Call
	key    key
	failed bool
	until  int // the end of its id in ids
}

// add returns how many calls wait to be marked.
func (e *ends) add(c ended, id string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.fresh.ids = append(e.fresh.ids, id...)
	c.until = len(e.fresh.ids)
	e.fresh.calls = append(e.fresh.calls, c)
	e.pending.Store(true)
	return len(e.fresh.calls)
}

// drop gives the End lines up that nothing can be known about.
func (j *Journal) drop() {
	j.ends.mu.Lock()
	defer j.ends.mu.Unlock()
	for _, c := range j.ends.fresh.calls {
		j.calls.end(c.key)
		j.out.queue.drop()
	}
	j.ends.fresh.reset()
}

// settle writes the End lines of those requests whose output has passed, and
// says whether that is all of them.
func (j *Journal) settle() bool {
	e := &j.ends
	if !e.pending.Load() {
		return true
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for {
		if len(e.marked.calls) == 0 {
			if len(e.fresh.calls) == 0 {
				e.pending.Store(false)
				return true
			}
			e.fresh, e.marked = e.marked, e.fresh
			e.goals = j.goals()
		}
		if !j.reached(e.goals) && !j.hopeless() {
			return false
		}
		j.write(&e.marked)
	}
}

// write puts the End lines of a batch between the others.
func (j *Journal) write(b *batch) {
	from := 0
	for _, c := range b.calls {
		id := b.ids[from:c.until]
		from = c.until
		saidFailed := j.calls.end(c.key)
		platform(j.out, endText[c.call], id, c.failed || saidFailed)
	}
	b.reset()
}

func (b *batch) reset() { b.calls, b.ids = b.calls[:0], b.ids[:0] }

// moved is called when output of the program has passed.
func (j *Journal) moved() {
	if j.ends.pending.Load() && j.settle() {
		j.out.flushNow(j.inflight.Load() == 0)
	}
	j.tell()
}
