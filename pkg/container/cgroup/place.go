package cgroup

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// place is a hierarchy of this machine as this process sees it.
type place struct {
	mount       string   // the folder that it is mounted at
	own         string   // the folder of this process's group, at or below mount
	controllers []string // of v1; nil is v2
}

// places reads /proc/self/cgroup and /proc/self/mountinfo (cgroups(7),
// proc_pid_mountinfo(5)). Hierarchies of which this process's group is out of
// sight are left out.
func places() []place {
	groups, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil
	}
	return parsePlaces(string(groups), string(mounts))
}

func parsePlaces(groups, mounts string) (all []place) {
	for line := range strings.Lines(mounts) {
		before, after, ok := strings.Cut(line, " - ")
		mount, fs := strings.Fields(before), strings.Fields(after)
		if !ok || len(mount) < 5 || len(fs) < 3 || strings.Contains(mount[4], `\`) {
			continue // the last is a path with spaces
		}
		p := place{mount: mount[4]}
		switch fs[0] {
		case "cgroup":
			p.controllers = strings.Split(fs[2], ",")
		case "cgroup2":
		default:
			continue
		}
		below, ok := within(mount[3], groupOf(groups, p.controllers))
		if ok {
			p.own = filepath.Join(p.mount, below)
			all = append(all, p)
		}
	}
	return all
}

// groupOf is the path of the process's group in the hierarchy of these
// controllers, from the lines NUMBER:CONTROLLERS:PATH; "" where there is none.
func groupOf(groups string, controllers []string) string {
	for line := range strings.Lines(groups) {
		f := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(f) < 3 {
			continue
		}
		if controllers == nil && f[0] == "0" {
			return f[2]
		}
		// "rw" and others stand among a mount's controllers.
		if names := strings.Split(f[1], ","); f[1] != "" && slices.Contains(controllers, names[0]) {
			return f[2]
		}
	}
	return ""
}

// within is path as seen from root, where it lies below. Paths that begin with
// /.. are out of this process's namespace (cgroup_namespaces(7)).
func within(root, path string) (string, bool) {
	if path == "" || strings.HasPrefix(root, "/..") || strings.HasPrefix(path, "/..") {
		return "", false
	}
	rel, err := filepath.Rel(root, path)
	return rel, err == nil && filepath.IsLocal(rel)
}

// with is the place that has a controller of v1, and v2's for "".
func with(all []place, controller string) (place, bool) {
	for _, p := range all {
		if controller == "" && p.controllers == nil || controller != "" && slices.Contains(p.controllers, controller) {
			return p, true
		}
	}
	return place{}, false
}
