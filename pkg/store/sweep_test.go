package store

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestSweep(t *testing.T) {
	s := open(t)
	now := time.Now()
	for name, age := range map[string]time.Duration{
		"tmp/old":       25 * time.Hour,
		"tmp/young":     23 * time.Hour,
		"partial/old":   15 * 24 * time.Hour,
		"partial/young": 13 * 24 * time.Hour,
		"records/old":   1000 * time.Hour,
	} {
		path := filepath.Join(s.Root(), name)
		if err := os.WriteFile(path, nil, 0o444); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, now.Add(-age), now.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	dir := filepath.Join(s.Root(), "tmp", "old-dir")
	if err := os.MkdirAll(filepath.Join(dir, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(dir, now, now.Add(-25*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(s.Root()); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{
		"tmp/old": false, "tmp/old-dir": false, "tmp/young": true,
		"partial/old": false, "partial/young": true, "records/old": true,
	} {
		if _, err := os.Stat(filepath.Join(s.Root(), name)); (err == nil) != want {
			t.Errorf("%s: there is %v, want it there: %t", name, err, want)
		}
	}
}
