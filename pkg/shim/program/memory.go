package program

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
)

// cgroupRoot is where container runtimes mount the cgroups.
const cgroupRoot = "/sys/fs/cgroup"

// oom remembers how many processes of this container were killed for lack of
// memory, so that each is blamed once.
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
	oom.kills = max(before, oomKills(cgroupRoot, cgroupPath()))
	return oom.kills > before
}

// oomKills reads the count oom_kill: of memory.events with cgroup v2, of
// memory.oom_control with v1 (the kernel's documentation, "Control Group v2"
// and "Memory Resource Controller"). 0 where neither may be read.
func oomKills(root, path string) int {
	for _, file := range []string{
		filepath.Join(root, path, "memory.events"), filepath.Join(root, "memory.events"),
		filepath.Join(root, "memory", path, "memory.oom_control"), filepath.Join(root, "memory/memory.oom_control"),
	} {
		b, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		for line := range bytes.Lines(b) {
			if v, ok := bytes.CutPrefix(line, []byte("oom_kill ")); ok {
				n, _ := strconv.Atoi(string(bytes.TrimSpace(v)))
				return n
			}
		}
	}
	return 0
}

// cgroupPath is this process's place below the mount, "/" in a namespace.
func cgroupPath() string {
	b, _ := os.ReadFile("/proc/self/cgroup")
	for line := range bytes.Lines(b) {
		if _, path, ok := bytes.Cut(bytes.TrimSpace(line), []byte("::")); ok {
			return string(path)
		}
	}
	return "/"
}

// memoryLimit is the container's limit in parentheses, "" where none is known.
func (p *Process) memoryLimit() string {
	if mb := getenv(p.env, "FC_FUNCTION_MEMORY_SIZE"); mb != "" {
		return " (FC_FUNCTION_MEMORY_SIZE is " + mb + " MB)"
	}
	b, err := os.ReadFile(filepath.Join(cgroupRoot, "memory.max"))
	if err != nil {
		return ""
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	if err != nil { // "max"
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
