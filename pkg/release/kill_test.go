package release_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/release"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// childEnv names the folder of the world in a process that is to be killed.
const childEnv = "RELEASE_TEST_CHILD"

func child() int {
	dir := os.Getenv(childEnv)
	s, err := store.Open(filepath.Join(dir, "store"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	c, err := release.ReadFile(filepath.Join(dir, release.FileName))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	r, err := openRelease(context.Background(), dir, s, c, &prover{}, nil)
	if err == nil {
		_, err = r.Run(context.Background())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// A release is killed at its n-th change of a registry, over and over with a
// larger n. The next run completes it; no tag is there before all content is;
// and the report is that of a run nothing happened to.
func TestKilled(t *testing.T) {
	testtool.Whole(t)
	undisturbed := newWorld(t, 2, "")
	undisturbed.ok()
	changes := 0
	for _, s := range undisturbed.servers {
		log, _ := s.changes()
		changes += len(log)
	}
	kills := 0
	for at := changes; at > 0; at -= max(1, changes/12) { // the first is at the last tag
		w := newWorld(t, 2, "")
		if w.killAt(at) {
			kills++
		}
		for i, s := range w.servers {
			log, _ := s.changes()
			if tags(log) > 0 && w.missingContent() {
				t.Errorf("killed at %d: region %d has tags, and somewhere content is missing", at, i+1)
			}
		}
		res := w.ok()
		if len(res.References) != 4 {
			t.Errorf("killed at %d: %v", at, res.References)
		}
		if again := w.ok(); !again.Unchanged {
			t.Errorf("killed at %d: the run after the next one did %+v", at, again)
		}
	}
	if kills < 8 {
		t.Errorf("%d kills of runs that make %d changes", kills, changes)
	}
}

// killAt runs the release in another process, which is killed when it makes
// its n-th change, and says whether it got that far.
func (w *world) killAt(n int) bool {
	w.t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), childEnv+"="+w.dir)
	var said bytes.Buffer
	cmd.Stderr = &said
	var seen atomic.Int64
	for _, s := range w.servers {
		s.misbehave(func(_ http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodGet && r.Method != http.MethodHead && seen.Add(1) == int64(n) {
				cmd.Process.Kill()
			}
			return false
		})
	}
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	err := cmd.Wait()
	for _, s := range w.servers {
		s.misbehave(nil)
	}
	if err != nil && !strings.Contains(err.Error(), "killed") {
		w.t.Fatalf("%v: %s", err, said.String())
	}
	return err != nil
}

// missingContent says that a plan would send something beside tags.
func (w *world) missingContent() bool {
	plan, err := w.open().Plan(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, d := range plan.Destinations {
		for _, i := range d.Images {
			if len(i.Blobs) > 0 {
				return true
			}
		}
	}
	return false
}
