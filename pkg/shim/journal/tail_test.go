package journal

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestTail(t *testing.T) {
	t1 := &tail{}
	t1.init(3)
	var out, err partial
	t1.note(&out, []byte("one\r\n\ntw"))
	t1.note(&err, []byte("error\nhalf error"))
	t1.note(&out, []byte("o\n"))
	if got := t1.last(); !slices.Equal(got, []string{"error", "two", "half error"}) {
		t.Errorf("%q", got)
	}
	t1.note(&out, []byte(strings.Repeat("y\n", 100000)+strings.Repeat("z", 5000)+"\nend"))
	if got := t1.last(); !slices.Equal(got, []string{strings.Repeat("z", 1024), "end", "half error"}) {
		t.Errorf("%q", got)
	}
}

func TestTailBounded(t *testing.T) {
	t1 := &tail{}
	t1.init(20)
	var p partial
	for i := range 100 {
		t1.note(&p, []byte(strings.Repeat("x", 900)))
		t1.note(&p, []byte(strings.Repeat("x", 900)+fmt.Sprintln(i)))
	}
	got, size := t1.last(), 0
	for _, line := range got {
		size += len(line)
	}
	if size > maxTail || size < maxTail-maxTailLine {
		t.Errorf("%d lines, %d bytes", len(got), size)
	}
}

// TestTailWaits: what the program has just written is in.
func TestTailWaits(t *testing.T) {
	for _, mask := range []bool{true, false} {
		r := newRig(t, Options{Tail: 2, Mask: mask})
		r.secrets.add(accessKeySecret, keySecret)
		r.print(r.stdout, "first\nkey "+keySecret+"\n")
		r.print(r.stderr, "fatal")
		if got := r.Tail(); !slices.Equal(got, []string{"key ***", "fatal"}) {
			t.Errorf("%q", got)
		}
	}
	if got := newRig(t, Options{}).Tail(); got != nil {
		t.Errorf("%q", got)
	}
}
