package release_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/container"
	"github.com/imgbuild/imgbuild/pkg/prove"
	"github.com/imgbuild/imgbuild/pkg/push"
	"github.com/imgbuild/imgbuild/pkg/release"
)

// Everything is everywhere after one run; a second one sends, boots and writes
// nothing.
func TestTwice(t *testing.T) {
	w := newWorld(t, 3, "")
	w.edit("./tiny,", "./tiny, all: true,")
	first := w.ok()
	if first.Unchanged || len(first.References) != 4*3 || first.Sent == 0 || first.Signed == 0 {
		t.Errorf("first run: %+v", first)
	}
	for _, s := range w.servers {
		log, _ := s.changes()
		if n := tags(log); n != w.imageTags(first) {
			t.Errorf("%d tags were put, want %d", n, w.imageTags(first))
		}
		if slices.ContainsFunc(log, func(l string) bool { return strings.HasPrefix(l, "DELETE") }) {
			t.Errorf("deleted: %v", log)
		}
	}
	report := w.report()
	old := time.Now().Add(-time.Hour).Truncate(time.Second)
	page := filepath.Join(w.dir, "page", "index.html")
	for _, path := range []string{filepath.Join(w.dir, "release.json"), page} {
		if err := os.Chtimes(path, old, old); err != nil {
			t.Fatal(err)
		}
	}
	start := time.Now()
	second := w.ok()
	took := time.Since(start)
	if !second.Unchanged || second.Sent+int64(second.Signed)+int64(second.Moved) != 0 {
		t.Errorf("second run: %+v", second)
	}
	if !slices.Equal(first.References, second.References) {
		t.Errorf("references %v, then %v", first.References, second.References)
	}
	total := 0
	for _, s := range w.servers {
		log, asked := s.changes()
		if len(log) > 0 {
			t.Errorf("the second run changed %v", log)
		}
		total += asked
	}
	// 4 images: 16 tags, and attachments: 1 source, 3 statements, 3 signatures.
	tagsAndBeside := 3 * (w.imageTags(first) + 4*7)
	if total > 2*tagsAndBeside {
		t.Errorf("%d requests for %d tags", total, tagsAndBeside)
	}
	t.Logf("second run: %d requests, %v", total, took.Round(time.Millisecond))
	if w.report() != report {
		t.Error("the report changed")
	}
	for _, path := range []string{filepath.Join(w.dir, "release.json"), page} {
		if info, err := os.Stat(path); err != nil || !info.ModTime().Equal(old) {
			t.Errorf("%s was written again: %v", path, err)
		}
	}
}

// imageTags counts the tags of all images.
func (w *world) imageTags(res *release.Result) (n int) {
	for _, img := range res.Report.Images {
		n += len(img.Tags)
	}
	return n
}

// No tag is put anywhere before every region has all content and everything
// beside it.
func TestTagsLast(t *testing.T) {
	w := newWorld(t, 3, "")
	var mu sync.Mutex
	var order []string
	for _, s := range w.servers {
		s.misbehave(func(_ http.ResponseWriter, r *http.Request) bool {
			mu.Lock()
			defer mu.Unlock()
			if r.Method != http.MethodGet && r.Method != http.MethodHead {
				order = append(order, r.Method+" "+r.URL.Path)
			}
			return false
		})
	}
	w.ok()
	first := slices.IndexFunc(order, isTag)
	if first < 0 {
		t.Fatal("no tag was put")
	}
	for _, line := range order[first:] {
		if !isTag(line) {
			t.Errorf("after the first tag: %s", line)
		}
	}
	for _, kind := range []string{".src", ".att", ".sig"} {
		if !slices.ContainsFunc(order[:first], func(l string) bool { return strings.HasSuffix(l, kind) }) {
			t.Errorf("no %s", kind)
		}
	}
}

// A region that fails: the others get the content, no tag moves anywhere, and
// the next run does what is missing and no more.
func TestRegionFails(t *testing.T) {
	for name, fail := range map[string]func(r *http.Request) bool{
		"content":     func(r *http.Request) bool { return strings.Contains(r.URL.Path, "/blobs/uploads/") },
		"all":         func(*http.Request) bool { return true },
		"attachments": func(r *http.Request) bool { return r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, ".att") },
		"signatures":  func(r *http.Request) bool { return r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, ".sig") },
	} {
		t.Run(name, func(t *testing.T) {
			if name != "attachments" {
				testtool.Whole(t)
			}
			w := newWorld(t, 3, "")
			w.servers[1].misbehave(func(rw http.ResponseWriter, r *http.Request) bool {
				if fail(r) {
					rw.WriteHeader(http.StatusForbidden)
					return true
				}
				return false
			})
			res, err := w.run()
			partial, ok := errors.AsType[*push.PartialError](err)
			if !ok || !slices.Equal(partial.Failed, []string{"region-2"}) || !slices.Equal(res.Done, []string{"region-1", "region-3"}) {
				t.Fatalf("done %v: %v", res.Done, err)
			}
			if !strings.Contains(err.Error(), "no tag was moved anywhere") || !strings.Contains(err.Error(), "run the same command again") {
				t.Errorf("the error does not say what is so: %v", err)
			}
			if w.report() != "" {
				t.Error("a report was written")
			}
			for i, s := range w.servers {
				log, _ := s.changes()
				if n := tags(log); n != 0 {
					t.Errorf("region %d: %d tags moved", i+1, n)
				}
			}
			w.servers[1].misbehave(nil)
			if res := w.ok(); len(res.References) != 6 {
				t.Errorf("references %v", res.References)
			}
			for i, s := range w.servers {
				log, _ := s.changes()
				if tags(log) == 0 {
					t.Errorf("region %d has no tags", i+1)
				}
				if i == 1 {
					continue
				}
				for _, line := range log {
					if !isTag(line) {
						t.Errorf("region %d had all, and got %s", i+1, line)
					}
				}
			}
			if res := w.ok(); !res.Unchanged {
				t.Errorf("then %+v", res)
			}
		})
	}
}

// Where tags could not be moved at one region the next run moves them.
func TestTagFails(t *testing.T) {
	w := newWorld(t, 2, "")
	w.servers[0].misbehave(func(rw http.ResponseWriter, r *http.Request) bool {
		if isTag(r.Method + " " + r.URL.Path) {
			rw.WriteHeader(http.StatusForbidden)
			return true
		}
		return false
	})
	_, err := w.run()
	if err == nil || !strings.Contains(err.Error(), "where they were, all is whole") || w.report() != "" {
		t.Fatalf("%v", err)
	}
	w.servers[0].misbehave(nil)
	if res := w.ok(); res.Moved == 0 || res.Sent != 0 {
		t.Errorf("%+v", res)
	}
}

// Where an image is not proven nothing at all is pushed.
func TestProofFails(t *testing.T) {
	w := newWorld(t, 2, "")
	w.prover.find = func(platform string) prove.Proof {
		if platform == "linux/arm64" {
			return prove.Proof{Status: prove.Failed, Failures: []prove.Failure{{Rule: "port-8080", Doc: "it listens", Why: []string{"it does not"}}}}
		}
		return prove.Proof{Status: prove.Passed, Rules: 1}
	}
	_, err := w.run()
	if err == nil || !strings.Contains(err.Error(), "port-8080") || !strings.Contains(err.Error(), "nothing was pushed") || !strings.Contains(err.Error(), "tiny:2.0.1 for linux/arm64") {
		t.Fatalf("%v", err)
	}
	for _, s := range w.servers {
		if _, asked := s.changes(); asked != 0 {
			t.Errorf("%d requests", asked)
		}
	}
}

// A machine that can not boot anything releases nothing by default.
func TestCanNotProve(t *testing.T) {
	w := newWorld(t, 1, "")
	w.prover.err = container.ErrUnavailable
	if _, err := w.run(); err == nil || !strings.Contains(err.Error(), "`prove: false` releases without") {
		t.Errorf("%v", err)
	}
	if _, asked := w.servers[0].changes(); asked != 0 {
		t.Errorf("%d requests", asked)
	}
}

func TestWhatMustBeProven(t *testing.T) {
	w := newWorld(t, 1, "prove: [linux/arm64]")
	_, err := w.run()
	if err == nil || !strings.Contains(err.Error(), "it must be proven and was not: this machine runs linux/amd64 only") {
		t.Errorf("%v", err)
	}
	if w.prover.asked != 2 {
		t.Errorf("asked for %d proofs, want those of linux/arm64 alone", w.prover.asked)
	}
	w = newWorld(t, 1, "prove: false")
	res := w.ok()
	if w.prover.asked != 0 || res.Report.Images[0].Platforms[0].Proof.Reason != "the release does not ask for it" {
		t.Errorf("asked %d: %+v", w.prover.asked, res.Report.Images[0].Platforms[0].Proof)
	}
}

// A plan builds and asks, and changes nothing.
func TestPlan(t *testing.T) {
	w := newWorld(t, 2, "")
	plan, err := w.open().Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(plan.Images) != 2 || len(plan.Destinations) != 2 || plan.Bytes == 0 || plan.Requests == 0 || w.prover.asked != 0 || w.report() != "" {
		t.Errorf("%+v", plan)
	}
	planned := plan.Requests
	asked := 0
	for _, s := range w.servers {
		if log, _ := s.changes(); len(log) > 0 {
			t.Errorf("the plan changed %v", log)
		}
	}
	for _, i := range plan.Destinations[0].Images {
		if len(i.Attach) != 7 {
			t.Errorf("%s: attachments %v", i.Reference, i.Attach)
		}
	}
	res := w.ok()
	if res.Sent != plan.Bytes {
		t.Errorf("sent %d bytes, planned %d", res.Sent, plan.Bytes)
	}
	for _, s := range w.servers {
		_, n := s.changes()
		asked += n
	}
	t.Logf("planned %d requests, made %d", planned, asked)
	if plan, err = w.open().Plan(t.Context()); err != nil || plan.Bytes != 0 || len(plan.Destinations[1].Images[0].Attach)+len(plan.Destinations[1].Images[0].Tags) != 0 {
		t.Errorf("%+v: %v", plan, err)
	}
	w.servers[0].Close()
	if plan, err = w.open().Plan(t.Context()); err != nil || plan.Destinations[0].Error == "" || plan.Destinations[1].Error != "" {
		t.Errorf("%+v: %v", plan, err)
	}
}
