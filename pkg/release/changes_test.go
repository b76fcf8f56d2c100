package release_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/imgbuild/imgbuild/pkg/push"
	"github.com/imgbuild/imgbuild/pkg/release"
)

// What changed is known from the lock beside the image before, without a file
// of the last run; and is the same when a release is interrupted after the
// tags moved.
func TestChanges(t *testing.T) {
	w := newWorld(t, 2, "immutable: none")
	first := w.ok()
	for _, img := range first.Report.Images {
		if img.Changes != nil || img.Unchanged {
			t.Errorf("a new image: %+v", img)
		}
	}
	w.define(strings.ReplaceAll(tiny, "GREETING", "hello again"))
	if err := os.Remove(filepath.Join(w.dir, "release.json")); err != nil {
		t.Fatal(err)
	}
	second := w.ok()
	full, slim := second.Report.Images[0], second.Report.Images[1]
	if c := full.Changes; full.Unchanged || c == nil || c.FromVersion != "2.0.1" || c.FromDigest != first.Report.Images[0].Digest || len(c.Sizes) != 2 || len(c.Packages) == 0 {
		t.Errorf("full: %+v", full.Changes)
	} else {
		for _, p := range c.Packages {
			if len(p.Images) != 2 || !p.Everywhere || !strings.HasPrefix(p.Images[0], "2.0.1 full ") {
				t.Errorf("%+v", p)
			}
		}
	}
	if !slim.Unchanged || slim.Changes != nil || slim.Digest != first.Report.Images[1].Digest {
		t.Errorf("slim: %+v", slim.Changes)
	}
	if res := w.ok(); !res.Unchanged {
		t.Errorf("then %+v", res)
	}
}

// A release that ends between its tags and its report is told by the next run
// as it would have told it itself.
func TestInterruptedBeforeTheReport(t *testing.T) {
	w := newWorld(t, 1, "immutable: none")
	w.ok()
	was := w.report()
	path := filepath.Join(w.dir, "release.json")
	w.define(strings.ReplaceAll(tiny, "GREETING", "hello again"))
	var once sync.Once
	w.servers[0].misbehave(func(_ http.ResponseWriter, r *http.Request) bool {
		if isTag(r.Method + " " + r.URL.Path) {
			once.Do(func() {
				if err := errors.Join(os.Remove(path), os.Mkdir(path, 0o755)); err != nil {
					t.Error(err)
				}
			})
		}
		return false
	})
	if _, err := w.run(); err == nil || !strings.Contains(err.Error(), "the images are published; writing the report") {
		t.Fatalf("%v", err)
	}
	w.servers[0].misbehave(nil)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	w.write("release.json", was)
	w.servers[0].changes()
	res := w.ok()
	if log, _ := w.servers[0].changes(); len(log) > 0 {
		t.Errorf("changed %v", log)
	}
	full, slim := res.Report.Images[0], res.Report.Images[1]
	if full.Unchanged || full.Changes == nil || len(full.Changes.Packages) == 0 || !slim.Unchanged {
		t.Errorf("full %+v, slim unchanged: %v", full.Changes, slim.Unchanged)
	}
	if res := w.ok(); !res.Unchanged {
		t.Errorf("then %+v", res)
	}
}

// An unsigned release has no lock to trust: it compares with the report.
func TestChangesFromTheReport(t *testing.T) {
	w := newWorld(t, 1, "immutable: none")
	w.edit("sign: {key: cosign.key}\n", "")
	first := w.ok()
	if a := first.Report.Images[0].Platforms[0].Attachments; len(a) != 1 || a["source"].Digest == "" {
		t.Errorf("attachments of an unsigned image: %v", a)
	}
	w.define(strings.ReplaceAll(tiny, "GREETING", "hello again"))
	second := w.ok()
	if c := second.Report.Images[0].Changes; c == nil || c.FromDigest != first.Report.Images[0].Digest || len(c.Sizes) != 2 {
		t.Errorf("%+v", c)
	}
	if res := w.ok(); !res.Unchanged {
		t.Errorf("%+v", res)
	}
}

// Only the image that changed is sent, and what is beside the other one stays
// though the lock is another.
func TestOnlyWhatChanged(t *testing.T) {
	w := newWorld(t, 1, "")
	before := w.ok()
	w.servers[0].changes()
	w.define(strings.ReplaceAll(tiny, "GREETING", "hello again"))
	res := w.ok()
	slim := strings.TrimPrefix(res.Report.Images[1].Digest, "sha256:")
	log, _ := w.servers[0].changes()
	for _, line := range log {
		if strings.Contains(line, slim) || strings.Contains(line, "-slim") {
			t.Errorf("the image that did not change got %s", line)
		}
	}
	for kind, a := range before.Report.Images[1].Platforms[0].Attachments {
		if now := res.Report.Images[1].Platforms[0].Attachments[kind]; now != a {
			t.Errorf("%s was %v, is %v", kind, a, now)
		}
	}
	// The full version's tag stays at the image that was first.
	full := res.Report.Images[0]
	if kept := full.Kept["region-1"]; !slices.Equal(kept, []string{"2.0.1"}) {
		t.Errorf("kept %v", full.Kept)
	}
	if ref := full.References["region-1"]; strings.Contains(ref, ":2.0.1@") || !strings.HasSuffix(ref, "@"+full.Digest) {
		t.Errorf("reference %s", ref)
	}
	if full.Changes == nil || full.Changes.FromDigest != before.Report.Images[0].Digest {
		t.Errorf("changes %+v", full.Changes)
	}
	if again := w.ok(); !again.Unchanged {
		t.Errorf("%+v", again)
	}
}

// Where every tag is immutable and taken, nothing of the image is sent.
func TestNoTagToBeHad(t *testing.T) {
	w := newWorld(t, 2, "immutable: all")
	w.ok()
	w.define(strings.ReplaceAll(tiny, "GREETING", "hello again"))
	for _, s := range w.servers {
		s.changes()
	}
	_, err := w.run()
	if _, ok := errors.AsType[*push.PartialError](err); !ok || !strings.Contains(err.Error(), "immutable: none") {
		t.Errorf("%v", err)
	}
	for _, s := range w.servers {
		if log, _ := s.changes(); len(log) > 0 {
			t.Errorf("changed %v", log)
		}
	}
}

// A region more gets what the others have, and these nothing.
func TestOneRegionMore(t *testing.T) {
	w := newWorld(t, 2, "")
	hosts := w.servers[0].host() + "/base, " + w.servers[1].host() + "/base"
	w.edit(hosts, w.servers[0].host()+"/base")
	w.ok()
	w.servers[0].changes()
	w.edit(w.servers[0].host()+"/base", hosts)
	res := w.ok()
	if log, _ := w.servers[0].changes(); len(log) > 0 {
		t.Errorf("the first region got %v", log)
	}
	if len(res.References) != 4 || res.Sent == 0 {
		t.Errorf("%+v", res)
	}
}

// A store that is new, as in CI without a cache, and everything published
// already: nothing is sent, signed or moved.
func TestNewStore(t *testing.T) {
	w := newWorld(t, 1, "")
	w.ok()
	report := w.report()
	w.servers[0].changes()
	other := &world{t: t, dir: t.TempDir(), prover: w.prover, servers: w.servers}
	for _, name := range []string{"release.yaml", "cosign.key", "tiny/image.yaml", "tiny/image.lock", "release.json"} {
		data, err := os.ReadFile(filepath.Join(w.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		other.write(name, string(data))
	}
	if err := os.Chmod(filepath.Join(other.dir, "cosign.key"), 0o600); err != nil {
		t.Fatal(err)
	}
	other.store = openStore(t, filepath.Join(other.dir, "store"))
	res := other.ok()
	if log, _ := w.servers[0].changes(); len(log) > 0 || res.Signed != 0 || res.Moved != 0 {
		t.Errorf("changed %v: %+v", log, res)
	}
	if other.report() != report {
		t.Error("the report changed")
	}
}

// The report of two images with everything is as it was written down.
func TestReport(t *testing.T) {
	w := newWorld(t, 2, "")
	w.ok()
	// The key and ports are new each time.
	text := w.report()
	for i, s := range w.servers {
		text = strings.ReplaceAll(text, s.host(), []string{"one.example.com", "two.example.com"}[i])
	}
	var r release.Report
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(r.PublicKey, "-----BEGIN PUBLIC KEY-----\n") {
		t.Errorf("public key %q", r.PublicKey)
	}
	r.PublicKey = "KEY"
	for _, img := range r.Images {
		for _, p := range img.Platforms {
			for kind, a := range p.Attachments {
				if kind != "source" {
					a.Digest = "of a new key"
					p.Attachments[kind] = a
				}
			}
		}
	}
	got, err := r.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/release.json", got)
}
