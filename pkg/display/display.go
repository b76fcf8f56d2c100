// Package display shows progress on a terminal or in a log: BuildKit's own
// display, the one Docker's users know, fed from package progress.
package display

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/util/progress/progressui"
	"github.com/opencontainers/go-digest"
	"golang.org/x/term"

	"github.com/imgbuild/imgbuild/pkg/progress"
)

// Modes are the values of --progress.
var Modes = []string{"auto", "tty", "plain", "rawjson"}

// Display is a progress.Reporter that draws. Close it to draw the end.
type Display struct {
	steps  atomic.Int64
	silent bool
	events chan *client.SolveStatus
	drawn  chan struct{}

	mu     sync.RWMutex // guards events against Close
	closed bool
}

// New starts drawing to f. auto draws on a terminal and is silent elsewhere,
// so that a script's log holds only what needs a person.
func New(f *os.File, mode string) (*Display, error) {
	if !slices.Contains(Modes, mode) {
		return nil, fmt.Errorf("unknown progress %q; use one of %s", mode, strings.Join(Modes, ", "))
	}
	if mode == "auto" && !term.IsTerminal(int(f.Fd())) {
		mode = string(progressui.QuietMode)
	}
	ui, err := progressui.NewDisplay(f, progressui.DisplayMode(mode))
	if err != nil {
		return nil, fmt.Errorf("showing progress as %s: %w; use --progress plain where there is no terminal", mode, err)
	}
	d := &Display{silent: mode == string(progressui.QuietMode), events: make(chan *client.SolveStatus, 64), drawn: make(chan struct{})}
	go func() {
		defer close(d.drawn)
		// Not the work's context: what was done must be drawn after a cancel too.
		ui.UpdateFrom(context.Background(), d.events) //nolint:errcheck // the context is never cancelled
	}()
	return d, nil
}

// Silent says that nothing is drawn.
func (d *Display) Silent() bool { return d.silent }

// Close draws what is left and stops. Steps that report later are ignored.
func (d *Display) Close() {
	d.mu.Lock()
	if !d.closed {
		d.closed = true
		close(d.events)
	}
	d.mu.Unlock()
	<-d.drawn
}

func (d *Display) send(s *client.SolveStatus) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if !d.closed {
		d.events <- s
	}
}

// Show draws what a builder reports of its own steps.
func (d *Display) Show(s *client.SolveStatus) { d.send(s) }

// Start implements progress.Reporter.
func (d *Display) Start(name string, total int64) progress.Step {
	now := time.Now()
	s := &step{d: d, vertex: client.Vertex{
		Digest:  digest.FromString(fmt.Sprint(d.steps.Add(1), name)),
		Name:    name,
		Started: &now,
	}}
	s.total.Store(total)
	s.sendVertex()
	return s
}

// every is the shortest time between two reports of one step's bytes.
const every = 100 * time.Millisecond

type step struct {
	d      *Display
	done   atomic.Int64 // bytes
	total  atomic.Int64 // bytes
	last   atomic.Int64 // time of the last report, Unix nanoseconds
	mu     sync.Mutex
	vertex client.Vertex
}

func (s *step) sendVertex() {
	s.mu.Lock()
	v := s.vertex
	s.mu.Unlock()
	s.d.send(&client.SolveStatus{Vertexes: []*client.Vertex{&v}})
}

func (s *step) sendBytes(completed *time.Time) {
	s.mu.Lock()
	v := s.vertex
	s.mu.Unlock()
	s.d.send(&client.SolveStatus{Statuses: []*client.VertexStatus{{
		ID: v.Name, Vertex: v.Digest, Name: "bytes",
		Current: s.done.Load(), Total: s.total.Load(),
		Timestamp: time.Now(), Started: v.Started, Completed: completed,
	}}})
}

// Add implements progress.Step.
func (s *step) Add(n int64) {
	s.done.Add(n)
	now, last := time.Now().UnixNano(), s.last.Load()
	if now-last >= int64(every) && s.last.CompareAndSwap(last, now) {
		s.sendBytes(nil)
	}
}

// Total implements progress.Step.
func (s *step) Total(n int64) { s.total.Store(n) }

// Log implements progress.Step.
func (s *step) Log(line string) {
	s.mu.Lock()
	id := s.vertex.Digest
	s.mu.Unlock()
	s.d.send(&client.SolveStatus{Logs: []*client.VertexLog{{
		Vertex: id, Stream: 2, Data: []byte(line + "\n"), Timestamp: time.Now(),
	}}})
}

// Cached implements progress.Step.
func (s *step) Cached() {
	s.mu.Lock()
	s.vertex.Cached = true
	s.mu.Unlock()
}

// Done implements progress.Step.
func (s *step) Done(err error) {
	now := time.Now()
	if s.done.Load() > 0 {
		s.sendBytes(&now)
	}
	s.mu.Lock()
	s.vertex.Completed = &now
	if err != nil {
		s.vertex.Error = err.Error()
	}
	s.mu.Unlock()
	s.sendVertex()
}
