package program

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// cgroupRoot is where container runtimes mount the cgroups.
const cgroupRoot = "/sys/fs/cgroup"

// oom is how many processes of this container were killed for lack of memory
// when that was last asked.
var oom struct {
	sync.Mutex
	kills int
}

// newOOMKill says whether Linux has killed a process of this container for
// lack of memory since it was last asked.
func newOOMKill() bool {
	oom.Lock()
	defer oom.Unlock()
	before := oom.kills
	oom.kills = max(before, oomKills(cgroupRoot, readCgroups()))
	return oom.kills > before
}

// oomKills reads the count oom_kill of memory.events with cgroup v2, of
// memory.oom_control with v1 (the kernel's documentation, "Control Group v2"
// and "Memory Resource Controller"). 0 where neither may be read.
func oomKills(root string, own cgroups) int {
	for line := range bytes.Lines(own.read(root, "memory.events", "memory.oom_control")) {
		if v, ok := bytes.CutPrefix(line, []byte("oom_kill ")); ok {
			n, _ := strconv.Atoi(string(bytes.TrimSpace(v)))
			return n
		}
	}
	return 0
}

// cgroups are a process's places in the hierarchies: that of v2, and that of
// v1 for memory. "/" in a namespace.
type cgroups struct{ v2, memory string }

func readCgroups() cgroups {
	b, _ := ReadProc("/proc/self/cgroup")
	return parseCgroups(b)
}

// parseCgroups reads lines NUMBER:CONTROLLERS:PATH (cgroups(7)).
func parseCgroups(b []byte) cgroups {
	var own cgroups
	for line := range strings.Lines(string(b)) {
		_, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		controllers, path, ok := strings.Cut(rest, ":")
		switch {
		case ok && controllers == "":
			own.v2 = path
		case slices.Contains(strings.Split(controllers, ","), "memory"):
			own.memory = path
		}
	}
	return own
}

// read reads a file of the process's own group by its name with v2, or with
// v1. Where the path is that of another namespace, the group is what is mounted.
func (c cgroups) read(root, v2, v1 string) []byte {
	for _, file := range []string{
		filepath.Join(root, c.v2, v2), filepath.Join(root, v2),
		filepath.Join(root, "memory", c.memory, v1), filepath.Join(root, "memory", v1),
	} {
		if b, err := os.ReadFile(file); err == nil {
			return b
		}
	}
	return nil
}

// memoryLimit is the container's limit in parentheses, "" where none is known.
func (p *Process) memoryLimit() string {
	if mb := Getenv(p.env, "FC_FUNCTION_MEMORY_SIZE"); mb != "" {
		return " (FC_FUNCTION_MEMORY_SIZE is " + mb + " MB)"
	}
	text := readCgroups().read(cgroupRoot, "memory.max", "memory.limit_in_bytes")
	n, err := strconv.ParseInt(string(bytes.TrimSpace(text)), 10, 64)
	if err != nil || n > 1<<50 { // no limit is "max", or about 2^63
		return ""
	}
	return fmt.Sprintf(" (its limit is %d MB)", n>>20)
}

// machineName is how processors of this kind are called.
func machineName() string {
	if runtime.GOARCH == "amd64" {
		return "x86-64"
	}
	return runtime.GOARCH
}
