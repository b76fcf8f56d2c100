package release_test

import (
	"strings"
	"testing"
)

// A definition's inputs are published beside its images, with their tags after
// everything else; and a second run has nothing to do.
func TestBundle(t *testing.T) {
	w := newWorld(t, 2, "bundle: true")
	res := w.ok()
	if len(res.Report.Bundles) != 1 {
		t.Fatalf("%+v", res.Report.Bundles)
	}
	b := res.Report.Bundles[0]
	if b.Name != "tiny" || !strings.HasPrefix(b.Tags[0], "bundle-") || !strings.HasSuffix(b.References["region-2"], "/base/tiny:"+b.Tags[0]+"@"+b.Digest) {
		t.Errorf("%+v", b)
	}
	for _, s := range w.servers {
		log, _ := s.changes()
		last := log[len(log)-tags(log):]
		for _, line := range last {
			if !isTag(line) {
				t.Errorf("not a tag at the end: %s", line)
			}
		}
		if !strings.Contains(strings.Join(last, " "), "/manifests/"+b.Tags[0]) {
			t.Errorf("no tag %s: %v", b.Tags[0], last)
		}
	}
	if res := w.ok(); !res.Unchanged {
		t.Errorf("%+v", res)
	}
}
