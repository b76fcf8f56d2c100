package program

import (
	"os"
	"slices"
	"testing"
)

func TestParseStat(t *testing.T) {
	for stat, want := range map[string]int{
		"12 (sh) S 7 12 12 0":          7,
		"12 (a) S 9 (b) S 8 12 12 0":   8,
		"12 ((sd-pam) x) y) Z 1 1 1 0": 1,
		"12 (sh":                       -1, "": -1, "1 (x) S": -1,
	} {
		_, got, ok := parseStat([]byte(stat))
		if ok != (want >= 0) || ok && got != want {
			t.Errorf("%q: %d %t", stat, got, ok)
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
