package store

import (
	"bytes"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type layer struct {
	Name string
	Size int64
}

func TestRecord(t *testing.T) {
	s := open(t)
	var got layer
	if ok, err := s.Record("layer", "os", &got); ok || err != nil {
		t.Errorf("a record that nobody wrote: %t, %v", ok, err)
	}
	for _, want := range []layer{{"os <&>", 1}, {"os", 1 << 60}} { // the second over the first
		if err := s.PutRecord("layer", "os", want); err != nil {
			t.Fatal(err)
		}
		ok, err := s.Record("layer", "os", &got)
		if !ok || err != nil {
			t.Errorf("%t, %v", ok, err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
	}
	for _, other := range [][2]string{{"layer", "OS"}, {"image", "os"}} {
		if ok, _ := s.Record(other[0], other[1], &got); ok {
			t.Errorf("%v has the record of another", other)
		}
	}
	left(t, s)
}

// TestRecordBitFlip: no flip of any bit gives another value: it gives none.
func TestRecordBitFlip(t *testing.T) {
	s := open(t)
	want := layer{"os", 12345}
	if err := s.PutRecord("layer", "key", want); err != nil {
		t.Fatal(err)
	}
	path := s.recordPath("layer", "key")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	missed := 0
	for i := range 8 * len(good) {
		b := bytes.Clone(good)
		b[i/8] ^= 1 << (i % 8)
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		var got layer
		ok, err := s.Record("layer", "key", &got)
		if err != nil {
			t.Fatal(err)
		}
		if ok && got != want {
			t.Errorf("bit %d of %q gives %+v", i%8, good[:i/8+1], got)
		}
		if !ok {
			missed++
		}
	}
	// JSON's field names are found in either case: those flips change nothing.
	if missed < 8*len(good)*9/10 {
		t.Errorf("only %d of %d flips were found", missed, 8*len(good))
	}
	for _, cut := range [][]byte{nil, good[:len(good)-1], make([]byte, len(good))} {
		if err := os.WriteFile(path, cut, 0o644); err != nil {
			t.Fatal(err)
		}
		if ok, err := s.Record("layer", "key", new(layer)); ok || err != nil {
			t.Errorf("%q: %t, %v", cut, ok, err)
		}
	}
}

func TestRecordsGo(t *testing.T) {
	s := open(t)
	for _, key := range []string{"a", "b"} {
		if err := s.PutRecord("upload", key, key); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // the second time it is gone already
		if err := s.RemoveRecord("upload", "a"); err != nil {
			t.Error(err)
		}
	}
	var got string
	if ok, err := s.Record("upload", "a", &got); ok || err != nil {
		t.Errorf("a removed record: %t, %v", ok, err)
	}
	s.SweepRecords("upload", time.Hour)
	if ok, _ := s.Record("upload", "b", &got); !ok {
		t.Error("a young record was swept")
	}
	old := time.Now().Add(-2 * time.Hour)
	if err := os.Chtimes(s.recordPath("upload", "b"), old, old); err != nil {
		t.Fatal(err)
	}
	s.SweepRecords("upload", time.Hour)
	if ok, _ := s.Record("upload", "b", &got); ok {
		t.Error("an old record is still there")
	}
	left(t, s)
}
