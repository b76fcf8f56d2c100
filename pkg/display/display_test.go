package display

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/moby/buildkit/client"

	"github.com/imgbuild/imgbuild/pkg/progress"
)

func shown(t *testing.T, mode string, work func(progress.Reporter)) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "out")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d, err := New(f, mode)
	if err != nil {
		t.Fatal(err)
	}
	work(d)
	d.Close()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func work(r progress.Reporter) {
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			s := r.Start("fetch libc6", 100)
			for range 100 {
				s.Add(1)
			}
			s.Log("a line of the step")
			s.Done(nil)
		})
	}
	wg.Wait()
	c := r.Start("layer os", 0)
	c.Cached()
	c.Done(nil)
	r.Start("push os", 0).Done(errors.New("no such namespace"))
}

func TestPlain(t *testing.T) {
	out := shown(t, "plain", work)
	for _, want := range []string{"fetch libc6", "a line of the step", "layer os", "CACHED", "no such namespace", "DONE"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
}

func TestRawJSONHoldsEveryStep(t *testing.T) {
	ended := map[string]int{}
	for line := range strings.Lines(shown(t, "rawjson", work)) {
		var s client.SolveStatus
		if err := json.Unmarshal([]byte(line), &s); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		for _, v := range s.Vertexes {
			if v.Completed != nil {
				ended[v.Name]++
			}
		}
	}
	if ended["fetch libc6"] != 20 || ended["layer os"] != 1 || ended["push os"] != 1 {
		t.Errorf("steps that ended: %v", ended)
	}
}

func TestQuietWhenNotATerminal(t *testing.T) {
	if out := shown(t, "auto", work); out != "" {
		t.Errorf("printed %q", out)
	}
}

func TestReportsAfterCloseAreIgnored(t *testing.T) {
	var late progress.Step
	shown(t, "plain", func(r progress.Reporter) { late = r.Start("late", 0) })
	late.Add(1)
	late.Log("x")
	late.Done(nil)
}

func TestUnknownMode(t *testing.T) {
	if _, err := New(os.Stderr, "fancy"); err == nil || !strings.Contains(err.Error(), "auto, tty, plain, rawjson") {
		t.Errorf("got %v", err)
	}
}
