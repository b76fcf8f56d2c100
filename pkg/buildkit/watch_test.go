package buildkit

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/solver/errdefs"
	digest "github.com/opencontainers/go-digest"
)

var (
	stepA = digest.FromString("a")
	stepB = digest.FromString("b")
)

func vertexError(d digest.Digest) error {
	return fmt.Errorf("solving: %w", errdefs.WrapVertex(errors.New("exit code: 1"), d))
}

func said(d digest.Digest, text string) *client.SolveStatus {
	return &client.SolveStatus{Logs: []*client.VertexLog{{Vertex: d, Data: []byte(text)}}}
}

func vertex(d digest.Digest, name string, completed bool, failed string) *client.SolveStatus {
	v := &client.Vertex{Digest: d, Name: name, Error: failed}
	if completed {
		now := time.Now()
		v.Completed = &now
	}
	return &client.SolveStatus{Vertexes: []*client.Vertex{v}}
}

// What a step says last comes after its error, and is in it all the same.
func TestExplainWaitsForTheLastWords(t *testing.T) {
	w := NewWatch(t.Context())
	w.Statuses <- vertex(stepA, "run a", false, "")
	go func() {
		time.Sleep(50 * time.Millisecond)
		w.Statuses <- said(stepA, "first\nlast\n")
		w.Statuses <- vertex(stepA, "run a", true, "exit code: 1")
		close(w.Statuses)
	}()
	err := w.Explain(vertexError(stepA))
	step, ok := errors.AsType[*StepError](err)
	if !ok || err.Error() != "run a: first\nlast" || step.Digest != stepA {
		t.Errorf("got %v", err)
	}
	w.Wait()
	if got := w.Explain(err); got.Error() != err.Error() {
		t.Errorf("the second time: %v", got)
	}
}

func TestExplain(t *testing.T) {
	w := NewWatch(t.Context())
	for _, s := range []*client.SolveStatus{
		vertex(stepA, "run a", false, ""), said(stepA, "of a"), said(stepB, "of b, "),
		vertex(stepB, "run b", false, ""), said(stepB, "in two pieces\n"),
		vertex(stepA, "run a", true, ""), // succeeded: its words are let go
		vertex(stepB, "run b", true, "exit code: 2"),
	} {
		w.Statuses <- s
	}
	close(w.Statuses)
	w.Wait()
	if got := w.Explain(vertexError(stepB)).Error(); got != "run b: of b, in two pieces" {
		t.Errorf("got %s", got)
	}
	if got := w.Explain(vertexError(stepA)).Error(); !strings.HasPrefix(got, "run a: ") || !strings.Contains(got, "exit code: 1") || strings.Contains(got, "of a") {
		t.Errorf("got %s", got)
	}
	other := errors.New("other")
	if got := w.Explain(other); got != other {
		t.Errorf("got %v", got)
	}
	unknown := vertexError(digest.FromString("c"))
	if got := w.Explain(unknown); got != unknown {
		t.Errorf("got %v", got)
	}
}

// A step that says gigabytes, in lines or in one, has only its end kept.
func TestWatchKeepsTheEnd(t *testing.T) {
	w := NewWatch(t.Context())
	w.Statuses <- vertex(stepA, "lines", false, "")
	w.Statuses <- vertex(stepB, "no lines", false, "")
	for i := range 1000 {
		w.Statuses <- said(stepA, fmt.Sprintf("line %d\n", i))
		w.Statuses <- said(stepB, strings.Repeat("x", 100)+"\r")
	}
	w.Statuses <- vertex(stepA, "lines", true, "exit code: 1")
	w.Statuses <- vertex(stepB, "no lines", true, "exit code: 1")
	close(w.Statuses)
	w.Wait()
	step, _ := errors.AsType[*StepError](w.Explain(vertexError(stepA)))
	lines := strings.Split(strings.TrimSpace(step.Said), "\n")
	if len(lines) != keptLines || lines[0] != fmt.Sprintf("line %d", 1000-keptLines) || lines[keptLines-1] != "line 999" {
		t.Errorf("kept %d lines, from %q", len(lines), lines[0])
	}
	if step, _ = errors.AsType[*StepError](w.Explain(vertexError(stepB))); len(step.Said) != keptBytes {
		t.Errorf("kept %d bytes", len(step.Said))
	}
}
