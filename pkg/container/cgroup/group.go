package cgroup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Group is a control group of a container's own, in one hierarchy or several.
// Its methods may be called by any goroutine, but Freeze and Thaw by one at a
// time.
type Group struct {
	// folders are by their controllers. That of v2 stands under each of its
	// controllers, and under unified.
	folders map[string]*folder

	mu     sync.Mutex
	closed bool
	kills  int // before it was closed
}

const unified = ""

// Paths are the group's folders.
func (g *Group) Paths() (paths []string) {
	for _, f := range g.folders {
		paths = append(paths, f.path)
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// Visible is what a container should see of its own limits, read-only, where
// programs look for them: folders of this machine by their place in the
// container.
func (g *Group) Visible() map[string]string {
	const root = "/sys/fs/cgroup"
	seen, v2 := map[string]string{}, ""
	for controller, f := range g.folders {
		switch {
		case controller == unified: // it need not limit anything
		case f == g.folders[unified]:
			v2 = f.path
		default:
			seen[filepath.Join(root, controller)] = f.path
		}
	}
	switch {
	case v2 == "":
	case len(seen) > 0:
		seen[root+"/unified"] = v2 // as systemd has it where both are in use
	default:
		seen[root] = v2
	}
	return seen
}

// Place puts a process, and so all that it will start, into the group with these
// paths.
func Place(paths []string, pid int) error {
	for _, p := range paths {
		if err := write(filepath.Join(p, "cgroup.procs"), strconv.Itoa(pid)); err != nil {
			return err
		}
	}
	return nil
}

// freezeLimit is how long processes may take to stand still.
const freezeLimit = 10 * time.Second

// Freeze has all processes stand still until Thaw; they can be killed
// meanwhile. It is errors.ErrUnsupported where this machine has no freezer for
// them.
func (g *Group) Freeze(ctx context.Context) error {
	f := g.folders[unified]
	if f == nil {
		return errors.ErrUnsupported
	}
	if err := f.set("cgroup.freeze", "1"); err != nil {
		if errors.Is(err, fs.ErrNotExist) { // before Linux 5.2
			return errors.ErrUnsupported
		}
		return fmt.Errorf("freezing: %w", err)
	}
	for end := time.Now().Add(freezeLimit); f.value("cgroup.events", "frozen") != "1"; {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(time.Millisecond):
		}
		if time.Now().After(end) {
			return fmt.Errorf("freezing: processes still run after %s", freezeLimit)
		}
	}
	return nil
}

// Thaw has frozen processes go on.
func (g *Group) Thaw() error {
	f := g.folders[unified]
	if f == nil {
		return nil
	}
	if err := f.set("cgroup.freeze", "0"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("thawing: %w", err)
	}
	return nil
}

// OutOfMemory says whether Linux has killed a process for lack of memory.
func (g *Group) OutOfMemory() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed {
		g.count()
	}
	return g.kills > 0
}

// count reads oom_kill, which is in another file with each version.
func (g *Group) count() {
	f := g.folders["memory"]
	if f == nil {
		return
	}
	file := "memory.oom_control"
	if f == g.folders[unified] {
		file = "memory.events"
	}
	g.kills, _ = strconv.Atoi(f.value(file, "oom_kill")) // 0 where it cannot be told
}

// Close removes the group, whose processes have ended.
func (g *Group) Close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil
	}
	g.count()
	g.closed = true
	var errs []error
	removed := map[*folder]bool{}
	for f := range maps.Values(g.folders) {
		if !removed[f] {
			removed[f] = true
			errs = append(errs, f.remove())
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("removing a control group: %w", err)
	}
	return nil
}
