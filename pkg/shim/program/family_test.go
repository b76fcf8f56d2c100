package program

import (
	"os"
	"slices"
	"testing"
)

func TestParseStat(t *testing.T) {
	for line, want := range map[string]stat{
		"12 (sh) S 7 12 12 0 -1 4194560 85":        {'S', 7, false},
		"12 (a) S 9 (b) S 8 12 12 0 -1 0 0":        {'S', 8, false},
		"12 ((sd-pam) x) y) Z 1 1 1 0 -1 4228364 ": {'Z', 1, true},
		"12 (sh": {}, "": {}, "1 (x) S": {}, "1 (x) S 1 2 3 4 -1 x": {}, "1 (x) S x 2 3 4 -1 4": {},
	} {
		got, ok := parseStat([]byte(line))
		if ok != (want != stat{}) || ok && got != want {
			t.Errorf("%q: %v %t", line, got, ok)
		}
	}
}

// TestDescendantsBothWays: a tree of processes is found by what the kernel
// lists of each thread's children, and by every process's parent.
func TestDescendantsBothWays(t *testing.T) {
	p, _ := begin(t, "sh", "-c", "(sleep 60; :) & sleep 60; :")
	eventually(t, "three processes below the shell, found both ways", func() bool {
		all, found := allChildren(), []int{}
		for queue := all[p.PID()]; len(queue) > 0; queue = queue[1:] {
			queue = append(queue, all[queue[0]]...)
			found = append(found, queue[0])
		}
		below := Descendants(p.PID())
		slices.Sort(below)
		slices.Sort(found)
		return len(found) == 3 && slices.Equal(found, below)
	})
	if all := Descendants(os.Getpid()); !slices.Contains(all, p.PID()) {
		t.Errorf("%v are below the test, want %d to be among them", all, p.PID())
	}
}
