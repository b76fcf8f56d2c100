package buildkit

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/solver/errdefs"
	digest "github.com/opencontainers/go-digest"
)

// What an error repeats of what a step said has that many lines, and bytes.
const (
	keptLines = 40
	keptBytes = 16 << 10
)

// explainWait is how long Explain waits for a step's last words, which come on
// another way than its error.
const explainWait = 3 * time.Second

// Watch follows what a builder reports: it hands all of it on, as Statuses
// does, and keeps the end of what each step that runs said, for its error.
type Watch struct {
	// Statuses is to be given to Solve or Build, which close it.
	Statuses chan *client.SolveStatus

	done chan struct{}
	mu   sync.Mutex
	said map[digest.Digest]string
	name map[digest.Digest]string
	// failed are closed when all is known of a step that failed.
	failed map[digest.Digest]chan struct{}
}

// NewWatch begins to watch.
func NewWatch(ctx context.Context) *Watch {
	shown, wait := Statuses(ctx)
	w := &Watch{Statuses: make(chan *client.SolveStatus), done: make(chan struct{}), said: map[digest.Digest]string{}, name: map[digest.Digest]string{}, failed: map[digest.Digest]chan struct{}{}}
	go func() {
		defer close(w.done)
		for s := range w.Statuses {
			w.keep(s)
			shown <- s
		}
		close(shown)
		wait()
	}()
	return w
}

func (w *Watch) keep(s *client.SolveStatus) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, v := range s.Vertexes {
		w.name[v.Digest] = v.Name
		if v.Completed != nil && v.Error == "" {
			delete(w.said, v.Digest)
		}
	}
	for _, l := range s.Logs {
		w.said[l.Vertex] = end(w.said[l.Vertex] + string(l.Data))
	}
	for _, v := range s.Vertexes {
		if v.Completed != nil && v.Error != "" {
			known := w.whenFailed(v.Digest)
			select {
			case <-known:
			default:
				close(known)
			}
		}
	}
}

// end is the end of a text, as much of it as is kept.
func end(text string) string {
	text = text[max(0, len(text)-keptBytes):]
	lines := strings.SplitAfter(text, "\n")
	if last := len(lines) - 1; lines[last] == "" {
		lines = lines[:last]
	}
	return strings.Join(lines[max(0, len(lines)-keptLines):], "")
}

// whenFailed is closed when a step is known to have failed. The caller has mu.
func (w *Watch) whenFailed(d digest.Digest) chan struct{} {
	if w.failed[d] == nil {
		w.failed[d] = make(chan struct{})
	}
	return w.failed[d]
}

// Wait returns when all has been handed on.
func (w *Watch) Wait() { <-w.done }

// StepError is a step of a build that failed.
type StepError struct {
	// Digest names the step, Name does for people.
	Digest digest.Digest
	Name   string
	// Said is the end of its output.
	Said string
	Err  error
}

func (e *StepError) Unwrap() error { return e.Err }

func (e *StepError) Error() string {
	// What the step itself said is the reason; the exit code is in it or is none.
	if said := strings.TrimSpace(e.Said); said != "" {
		return fmt.Sprintf("%s: %s", e.Name, strings.TrimPrefix(said, "imgbuild: "))
	}
	return fmt.Sprintf("%s: %v", e.Name, e.Err)
}

// Explain makes a *StepError of the error of Solve or Build, where it is one.
func (w *Watch) Explain(err error) error {
	v, ok := errors.AsType[*errdefs.VertexError](err)
	if !ok {
		return err
	}
	d := digest.Digest(v.Digest)
	w.mu.Lock()
	known := w.whenFailed(d)
	w.mu.Unlock()
	select {
	case <-known:
	case <-w.done:
	case <-time.After(explainWait):
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	name := w.name[d]
	if name == "" {
		return err
	}
	return &StepError{Digest: d, Name: name, Said: w.said[d], Err: err}
}

// Failed is a step that failed after it had said something, nil where there is
// none: what there is of an error of builders whose errors name no step.
func (w *Watch) Failed(err error) *StepError {
	w.mu.Lock()
	defer w.mu.Unlock()
	for d, known := range w.failed {
		select {
		case <-known:
			if w.said[d] != "" {
				return &StepError{Digest: d, Name: w.name[d], Said: w.said[d], Err: err}
			}
		default:
		}
	}
	return nil
}
