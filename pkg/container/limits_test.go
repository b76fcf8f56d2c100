package container_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/container"
	"github.com/imgbuild/imgbuild/pkg/container/cgroup"
	"github.com/imgbuild/imgbuild/pkg/shim/conformance"
)

// groupsOf are the folders of control groups made for containers that a process
// is in.
func groupsOf(t *testing.T, pid int) (paths []string) {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if !strings.Contains(f[2], "/imgbuild-container-") {
			continue
		}
		found, err := filepath.Glob("/sys/fs/cgroup/*" + f[2])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat("/sys/fs/cgroup" + f[2]); err == nil {
			found = append(found, "/sys/fs/cgroup"+f[2])
		}
		paths = append(paths, found...)
	}
	return paths
}

// held are the control groups that this process holds.
func held(t *testing.T) (paths []string) {
	t.Helper()
	files, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if to, err := os.Readlink(f); err == nil && strings.HasPrefix(filepath.Base(to), "imgbuild-container-") {
			paths = append(paths, to)
		}
	}
	return paths
}

// TestGroup: the group is there before the image's program is, holds all that
// it starts, and goes with the container.
func TestGroup(t *testing.T) {
	r := unpack(t, openStore(t), programImage(t, v1.Config{}))
	spec := container.Spec{Rootfs: r, Memory: 64 << 20, CPU: 0.5, Args: []string{"signals", "family"}}
	c, out, _ := start(t, spec)
	if err := c.Unlimited(); err != nil {
		testtool.Lacking(t, err.Error())
	}
	eventually(t, "both run", func() bool { return out.Has("family waits") && out.Has("child waits") })
	all, err := c.Processes()
	if err != nil || len(all) != 2 {
		t.Fatalf("the container has %v, %v", all, err)
	}
	groups := groupsOf(t, all[0])
	if len(groups) == 0 || fmt.Sprint(groups) != fmt.Sprint(groupsOf(t, all[1])) {
		t.Errorf("its processes are in %q and %q", groups, groupsOf(t, all[1]))
	}
	if err := c.Freeze(t.Context()); err == nil {
		if err := c.Signal(syscall.SIGUSR1); err != nil {
			t.Error(err)
		}
		time.Sleep(50 * time.Millisecond)
		if out.Has("family 10\n") {
			t.Error("it was frozen, and heard a signal")
		}
		if err := c.Thaw(); err != nil {
			t.Error(err)
		}
		eventually(t, "the signal came", func() bool { return out.Has("family 10\n") })
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	for _, g := range groups {
		if _, err := os.Stat(g); !os.IsNotExist(err) {
			t.Errorf("%s is there after Close: %v", g, err)
		}
	}
	if c.OutOfMemory() {
		t.Error("it was not out of memory")
	}

	// Nor does a start that fails leave one, however far it came.
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, fail := range map[string]func() error{
		"no program": func() error {
			return failed(t.Context(), spec, func(s *container.Spec) { s.Entrypoint = []string{"/none"} })
		},
		"no folder": func() error {
			return failed(t.Context(), spec, func(s *container.Spec) { s.Mounts = []container.Mount{{Source: "/none", Target: "/x"}} })
		},
		"was given up": func() error { return failed(ended, spec, func(*container.Spec) {}) },
	} {
		if err := fail(); err == nil {
			t.Errorf("%s: it starts", name)
		} else if strings.Contains(err.Error(), "control group") {
			t.Errorf("%s: %v", name, err)
		}
		if left := held(t); len(left) > 0 {
			t.Errorf("%s: it leaves %q", name, left)
		}
	}
}

func failed(ctx context.Context, s container.Spec, change func(*container.Spec)) error {
	change(&s)
	c, err := launch(ctx, s)
	if err == nil {
		_ = c.Close()
	}
	return err
}

// TestPlainUserGroup: a plain user has limits where somebody gave groups to that
// user, as systemd does.
func TestPlainUserGroup(t *testing.T) {
	cmd := asNobody(t, "-test.v", "-test.run", "^TestGroup$")
	given, lacking := cgroup.New(cgroup.Limits{Memory: 1 << 30, CPU: 2})
	defer func() {
		if err := given.Close(); err != nil {
			t.Error(err)
		}
	}()
	if lacking != nil {
		testtool.Lacking(t, lacking.Error())
	}
	// One level below, for v2 has groups with processes or with limited groups.
	var inner []string
	for _, path := range given.Paths() {
		dir := filepath.Join(path, "inner")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		defer eventually(t, "the keeper's end", func() bool { return os.Remove(dir) == nil })
		inner = append(inner, dir)
		err := filepath.WalkDir(path, func(name string, _ fs.DirEntry, err error) error {
			return errors.Join(err, os.Chown(name, nobody, nobody))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	var out conformance.Output
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := cgroup.Place(inner, cmd.Process.Pid); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil || !out.Has("--- PASS: TestGroup ") {
		t.Errorf("%v: %s", err, &out)
	}
}
