package program

import (
	"os"
	"os/exec"
	"testing"
	"time"
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
	cmd := exec.Command("sh", "-c", "(sleep 60; :) & sleep 60; :")
	cmd.SysProcAttr = ownGroup()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { killGroup(cmd.Process.Pid); _ = cmd.Wait() }()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		all, found := allChildren(), 0
		for queue := all[cmd.Process.Pid]; len(queue) > 0; queue = queue[1:] {
			queue = append(queue, all[queue[0]]...)
			found++
		}
		if found == 3 && len(Descendants(cmd.Process.Pid)) == 3 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d processes by their parents, %v by their children; want 3", found, Descendants(cmd.Process.Pid))
		}
	}
	if all := Descendants(os.Getpid()); len(all) < 4 {
		t.Errorf("%v are below the test, want the 4 at least", all)
	}
}
