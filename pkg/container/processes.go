package container

import (
	"bytes"
	"os"
	"strconv"
	"strings"
)

// Processes are the numbers of the container's processes on this machine, the
// first one first, then its descendants, level by level. Whoever lost its
// parent is a child of the first (pid_namespaces(7)).
func (c *Container) Processes() ([]int, error) {
	select {
	case <-c.first.ended():
		return nil, errEnded
	default:
	}
	all, err := Family(c.first.first())
	if err == nil && c.within {
		all = all[1:]
	}
	return all, err
}

// Family is a process of this machine with its descendants, level by level. Those
// that have ended and are not yet waited for are left out.
func Family(pid int) ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	children := map[int][]int{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if parent, ok := parentOf(pid); ok {
			children[parent] = append(children[parent], pid)
		}
	}
	all := []int{pid}
	for n := 0; n < len(all); n++ {
		all = append(all, children[all[n]]...)
	}
	return all, nil
}

// parentOf reads it from /proc/PID/stat, in which a name in brackets, that may
// have anything in it, comes before state and parent (proc_pid_stat(5)).
func parentOf(pid int) (int, bool) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, false // it has just ended
	}
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(f) < 2 || f[0] == "Z" {
		return 0, false
	}
	parent, err := strconv.Atoi(f[1])
	return parent, err == nil
}
