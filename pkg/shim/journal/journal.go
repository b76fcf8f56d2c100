// Package journal is the program's output on its way through the shim, and
// what the shim itself writes between it: the platform's lines around each
// request, and lines for people.
//
//	program ── pipe ── veil ── sieve ── stream ── the container's stdout or stderr
//	                 (secrets) (copies)   └ lines of the shim's own
//
// The program's bytes pass as they come. The shim's own lines stand between
// the program's, and never hold up a request: they are gathered and written
// together, at the latest two milliseconds later and before anything that
// the program writes after them; when the last request in flight ends, at
// once, because the platform may freeze the instance then.
package journal

import (
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/imgbuild/imgbuild/pkg/fc"
)

// Options say what a Journal does.
type Options struct {
	// Stdout and Stderr are the container's.
	Stdout, Stderr *os.File
	// RequestLog says whether the platform's lines are written: "on", "off",
	// or "auto", which means unless Stdout is a terminal.
	RequestLog string
	// JSON makes each line of the program, and of the shim but for the
	// platform's, a JSON object.
	JSON bool
	// Mask hides secrets that came in headers where the program prints them.
	Mask bool
	// Tail is how many of the program's last lines are kept, 0 for none.
	Tail int
}

// Journal is the output of one program. Its methods may be called by many
// goroutines at once.
type Journal struct {
	options Options
	lines   bool // the platform's lines are written
	secrets secrets
	calls   calls
	tail    tail

	// out takes the platform's lines, err the shim's own. They are the same
	// where stdout and stderr are the same file.
	out, err *stream

	inflight atomic.Int32
	ends     ends
	// progress tells who waits for output to pass that some has.
	progress chan struct{}
	waiters  atomic.Int32

	patience time.Duration // the constant; tests about order have more
}

// New makes a Journal, with a pipe for each output of the program that has to
// pass through the shim. A terminal never does, for the program would not know
// it any more.
func New(o Options) (*Journal, error) {
	terminal := isTerminal(o.Stdout)
	j := &Journal{
		options:  o,
		lines:    o.RequestLog == "on" || o.RequestLog != "off" && !terminal,
		progress: make(chan struct{}, 1),
		patience: patience,
	}
	j.calls.init(o.JSON)
	j.tail.init(o.Tail)
	through := o.Mask || o.JSON || o.Tail > 0
	var err error
	if j.out, err = j.newStream("stdout", o.Stdout, !terminal && (through || j.lines)); err != nil {
		return nil, err
	}
	if sameFile(o.Stdout, o.Stderr) {
		j.err = j.out // one pipe keeps the order of 2>&1
		return j, nil
	}
	if j.err, err = j.newStream("stderr", o.Stderr, !isTerminal(o.Stderr) && (through || j.lines)); err != nil {
		j.out.close()
		return nil, err
	}
	return j, nil
}

// Files are what the program gets for its stdout and stderr.
func (j *Journal) Files() (out, err *os.File) { return j.out.child(), j.err.child() }

// Start begins to carry the program's output. It closes the shim's copy of
// Files, so it is called when the program has been started. Calls after the
// first one do nothing.
func (j *Journal) Start() {
	for _, s := range j.streams() {
		s.start()
	}
}

func (j *Journal) streams() []*stream {
	if j.out == j.err {
		return []*stream{j.out}
	}
	return []*stream{j.out, j.err}
}

// Say writes one line for people to stderr, without the values that Hide has
// seen.
func (j *Journal) Say(format string, args ...any) {
	text := strings.TrimRight(fmt.Sprintf(format, args...), "\n")
	text = "shim: " + j.secrets.mask(strings.ReplaceAll(text, "\n", " "))
	j.err.say(text)
}

// Masked is text without the values that Hide has seen.
func (j *Journal) Masked(text string) string { return j.secrets.mask(text) }

// Tail returns the last lines that the program wrote, at most as many as
// Options.Tail and 8 KB; longer lines than 1 KB are cut. What the program has
// just written is waited for a moment. Secrets are masked whatever
// Options.Mask is, because these lines go into answers.
func (j *Journal) Tail() []string {
	if j.options.Tail == 0 {
		return nil
	}
	goals := j.goals()
	j.await(func() bool { return j.reached(goals) })
	lines := j.tail.last()
	for i := range lines {
		lines[i] = j.secrets.mask(lines[i])
	}
	return lines
}

// goals are how many bytes the program has written by now to each stream.
func (j *Journal) goals() [2]int64 {
	g := [2]int64{j.out.written()}
	if j.err != j.out {
		g[1] = j.err.written()
	}
	return g
}

// reached says whether all bytes up to goals have passed.
func (j *Journal) reached(goals [2]int64) bool {
	return j.out.passed.Load() >= goals[0] && (j.err == j.out || j.err.passed.Load() >= goals[1])
}

// hopeless says whether bytes do not pass because nobody reads them.
func (j *Journal) hopeless() bool {
	return j.out.blocked() > deadReader || j.err.blocked() > deadReader
}

// await calls done whenever some of the program's output has passed, until it
// is true. It gives up after patience, and at once where an output is stuck.
func (j *Journal) await(done func() bool) bool {
	if done() {
		return true
	}
	j.waiters.Add(1)
	defer j.waiters.Add(-1)
	defer j.tell() // there may be another one who waits
	limit := time.NewTimer(j.patience)
	defer limit.Stop()
	for {
		// Once more after waiters has been raised, so that nothing is missed.
		if done() {
			return true
		}
		if j.out.stuck() || j.err.stuck() {
			return false
		}
		select {
		case <-j.progress:
		case <-limit.C:
			return false
		}
	}
}

// tell wakes one who waits in await.
func (j *Journal) tell() {
	if j.waiters.Load() > 0 {
		select {
		case j.progress <- struct{}{}:
		default:
		}
	}
}

// logName is the call as log lines name it: HTTP triggers are invocations.
func logName(c fc.Call) fc.Call {
	if c == fc.HTTP {
		return fc.Invoke
	}
	return c
}
