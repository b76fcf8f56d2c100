package container

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// groupTree is a place for control groups and the names of its settings.
type groupTree struct{ root, limit, swap string }

// groupTrees are cgroup v2 (Documentation/admin-guide/cgroup-v2.rst) and v1.
var groupTrees = []groupTree{
	{"/sys/fs/cgroup", "memory.max", "memory.swap.max"},
	{"/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.memsw.limit_in_bytes"},
}

var groups atomic.Int64

// limit returns what puts a container's first process into a control group
// with the memory limit, nil for none.
func (s Spec) limit(c *Container) func(pid int) error {
	if s.Memory <= 0 {
		return nil
	}
	return func(pid int) error {
		for _, t := range groupTrees {
			sweepGroups(t.root)
			dir := filepath.Join(t.root, fmt.Sprintf("imgbuild-%d-%d", os.Getpid(), groups.Add(1)))
			if err := t.join(dir, s.Memory, pid); err == nil {
				c.group = dir
				return nil
			}
			_ = os.Remove(dir)
		}
		return nil // the limit is for machines that allow it: see Limited
	}
}

// Limited says whether Spec.Memory holds.
func (c *Container) Limited() bool { return c.group != "" }

func (t groupTree) join(dir string, limit int64, pid int) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	if err := writeSetting(dir, t.limit, limit); err != nil {
		return err
	}
	// Where swap is not counted there is no such file.
	if t.swap == "memory.swap.max" {
		_ = writeSetting(dir, t.swap, 0)
	} else {
		_ = writeSetting(dir, t.swap, limit) // memory and swap together
	}
	return writeSetting(dir, "cgroup.procs", int64(pid))
}

// writeSetting never makes a file: there is one for each setting, or none.
func writeSetting(dir, name string, value int64) error {
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(strconv.FormatInt(value, 10))
	return errors.Join(err, f.Close())
}

// removeGroup removes a group whose last process is about to be gone.
func removeGroup(dir string) error {
	var err error
	for range 100 {
		if err = os.Remove(dir); err == nil || errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return fmt.Errorf("removing the container's control group: %w", err)
}

// sweepGroups removes groups of imgbuilds that are no more.
func sweepGroups(root string) {
	dirs, _ := filepath.Glob(filepath.Join(root, "imgbuild-*-*"))
	for _, dir := range dirs {
		pid, err := strconv.Atoi(strings.Split(filepath.Base(dir), "-")[1])
		if err == nil && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			_ = os.Remove(dir) // fails while anything is in it
		}
	}
}
