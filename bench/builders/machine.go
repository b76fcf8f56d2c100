package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/imgbuild/imgbuild/internal/testtool"
)

// machine is a builder that stands for a machine of its own.
type machine struct {
	dir    string
	group  *group
	daemon *testtool.BuildKit
}

func newMachine(dir, name string) (*machine, error) {
	g, err := newGroup(name)
	if err != nil {
		return nil, err
	}
	m := &machine{dir: dir, group: g}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, errors.Join(err, m.close())
	}
	// What it runs goes below the group, too.
	config := filepath.Join(dir, "limited.toml")
	if err := os.WriteFile(config, fmt.Appendf(nil, "[worker.oci]\n  defaultCgroupParent = %q\n", name), 0o644); err != nil {
		return nil, errors.Join(err, m.close())
	}
	if m.daemon, err = testtool.StartBuildKit(dir, "--config", config); err != nil {
		return nil, errors.Join(err, m.close())
	}
	if err := g.add(m.daemon.PID()); err != nil {
		return nil, errors.Join(err, m.close())
	}
	return m, nil
}

func (m *machine) close() error {
	if m.daemon != nil {
		m.daemon.Close()
	}
	return errors.Join(m.group.remove(), os.RemoveAll(m.dir))
}

// group is a control group whose processes share a part of the cores
// (cgroups(7)): of version 1 where the controller is there, else of version 2.
type group struct {
	path string
	v2   bool
}

const controllers = "/sys/fs/cgroup"

func newGroup(name string) (*group, error) {
	g := &group{path: filepath.Join(controllers, "cpu", name)}
	if _, err := os.Stat(filepath.Join(controllers, "cgroup.controllers")); err == nil {
		g = &group{path: filepath.Join(controllers, name), v2: true}
		if err := write(filepath.Join(controllers, "cgroup.subtree_control"), "+cpu"); err != nil {
			return nil, err
		}
	}
	if err := os.Mkdir(g.path, 0o755); err != nil {
		return nil, fmt.Errorf("making a control group for the simulation: %w", err)
	}
	if g.v2 {
		// In version 2 processes are in leaves alone.
		return g, os.Mkdir(filepath.Join(g.path, "daemon"), 0o755)
	}
	return g, nil
}

// limit gives the group so many per cent of one core.
func (g *group) limit(share int) error {
	const period = 100_000 // µs
	if g.v2 {
		return write(filepath.Join(g.path, "cpu.max"), fmt.Sprintf("%d %d", share*period/100, period))
	}
	return errors.Join(
		write(filepath.Join(g.path, "cpu.cfs_period_us"), strconv.Itoa(period)),
		write(filepath.Join(g.path, "cpu.cfs_quota_us"), strconv.Itoa(share*period/100)))
}

func (g *group) add(pid int) error {
	path := g.path
	if g.v2 {
		path = filepath.Join(path, "daemon")
	}
	return write(filepath.Join(path, "cgroup.procs"), strconv.Itoa(pid))
}

// remove waits until the last process has left.
func (g *group) remove() (err error) {
	for range 50 {
		var below []string
		_ = filepath.WalkDir(g.path, func(p string, d os.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				below = append(below, p)
			}
			return nil
		})
		for i := len(below) - 1; i >= 0; i-- {
			err = os.Remove(below[i])
		}
		if _, e := os.Stat(g.path); errors.Is(e, os.ErrNotExist) {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return fmt.Errorf("the control group %s stays: %w", strings.TrimPrefix(g.path, controllers), err)
}

func write(path, text string) error { return os.WriteFile(path, []byte(text), 0o644) }
