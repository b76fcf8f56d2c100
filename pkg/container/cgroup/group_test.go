package cgroup_test

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/container/cgroup"
)

func TestMain(m *testing.M) {
	if os.Getenv("CGROUP_TEST_VICTIM") != "" {
		g, err := cgroup.New(limits)
		fmt.Println(strings.Join(g.Paths(), " "), err)
		time.Sleep(time.Hour)
	}
	os.Exit(m.Run())
}

var limits = cgroup.Limits{Memory: 100 << 20, CPU: 0.5}

// group is one that goes with the test.
func group(t *testing.T) *cgroup.Group {
	t.Helper()
	g, lacking := cgroup.New(limits)
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	if lacking != nil {
		testtool.Lacking(t, lacking.Error())
	}
	return g
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

// TestLimits are what Linux says of them.
func TestLimits(t *testing.T) {
	g := group(t)
	got := map[string]string{}
	for target, path := range g.Visible() {
		for _, file := range []string{"memory.max", "cpu.max", "memory.limit_in_bytes", "cpu.cfs_quota_us", "cpu.cfs_period_us"} {
			if _, err := os.Stat(filepath.Join(path, file)); err == nil {
				got[file] = read(t, filepath.Join(path, file)) + " " + target
			}
		}
	}
	v1 := got["memory.limit_in_bytes"] == "104857600 /sys/fs/cgroup/memory" &&
		got["cpu.cfs_quota_us"] == "50000 /sys/fs/cgroup/cpu" && got["cpu.cfs_period_us"] == "100000 /sys/fs/cgroup/cpu"
	v2 := got["memory.max"] == "104857600 /sys/fs/cgroup" && got["cpu.max"] == "50000 100000 /sys/fs/cgroup"
	if !v1 && !v2 {
		t.Errorf("the limits are %v", got)
	}
}

// sleep starts a process in the group.
func sleep(t *testing.T, g *cgroup.Group) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := cgroup.Place(g.Paths(), cmd.Process.Pid); err != nil {
		t.Fatal(err)
	}
	return cmd
}

// TestFreeze: what is frozen stands, and is not merely stopped: its parent sees
// nothing of it, and it can be killed.
func TestFreeze(t *testing.T) {
	g := group(t)
	cmd := sleep(t, g)
	switch err := g.Freeze(t.Context()); {
	case errors.Is(err, errors.ErrUnsupported):
		testtool.Lacking(t, "cgroup v2 with a freezer")
	case err != nil:
		t.Fatal(err)
	}
	if s := read(t, fmt.Sprintf("/proc/%d/stat", cmd.Process.Pid)); strings.Contains(s, ") T ") {
		t.Errorf("it is stopped: %s", s)
	}
	frozen := func() bool {
		return slices.ContainsFunc(g.Paths(), func(p string) bool {
			b, err := os.ReadFile(filepath.Join(p, "cgroup.events"))
			return err == nil && strings.Contains(string(b), "frozen 1")
		})
	}
	if !frozen() {
		t.Error("Linux does not say that it is frozen")
	}
	if err := g.Thaw(); err != nil {
		t.Fatal(err)
	}
	if frozen() {
		t.Error("it is frozen after Thaw")
	}
	if err := g.Freeze(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
}

// TestClose: nothing is left, and what was counted stays known.
func TestClose(t *testing.T) {
	g := group(t)
	cmd := exec.Command("sh", "-c", "read go; exec tail /dev/zero") // it keeps all of an endless line
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := cgroup.Place(g.Paths(), cmd.Process.Pid); err != nil {
		t.Fatal(err)
	}
	if g.OutOfMemory() {
		t.Error("out of memory before it took any")
	}
	fmt.Fprintln(in, "go")
	if err := cmd.Wait(); err == nil || err.Error() != "signal: killed" {
		t.Errorf("it took more than it may have: %v", err)
	}
	paths := g.Paths()
	for range 2 {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
		if !g.OutOfMemory() {
			t.Error("nobody was killed for lack of memory")
		}
	}
	for _, p := range paths {
		if _, err := os.Stat(p); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is there after Close: %v", p, err)
		}
	}
}

// TestKilled: what a killed process has left goes with the next group, and that
// of one that lives stays, also without processes.
func TestKilled(t *testing.T) {
	mine := group(t)
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), "CGROUP_TEST_VICTIM=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	theirs, ok := strings.CutSuffix(line, " <nil>\n")
	if !ok || theirs == "" {
		t.Fatalf("%q, %v", line, err)
	}
	all := func(paths []string) (there int) {
		for _, p := range paths {
			if _, err := os.Stat(p); err == nil {
				there++
			}
		}
		return there
	}
	left := strings.Fields(theirs)
	group(t)
	if n := all(left); n != len(left) {
		t.Errorf("%d of %d groups are there while their process lives", n, len(left))
	}
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	group(t)
	if n := all(left); n != 0 {
		t.Errorf("%d groups of a killed process are there", n)
	}
	if n := all(mine.Paths()); n != len(mine.Paths()) {
		t.Errorf("only %d of %d groups are there", n, len(mine.Paths()))
	}
}
