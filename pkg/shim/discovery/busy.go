package discovery

import (
	"os"
	"strconv"

	"github.com/imgbuild/imgbuild/pkg/shim/program"
)

// Busy says whether any thread of the program or of a descendant runs, or
// would if it had a processor, or waits for a disk.
func (f *Finder) Busy() bool {
	for _, pid := range program.Descendants(os.Getpid()) {
		for _, tid := range threads(pid) {
			switch program.State(pid, tid) {
			case 'R', 'D':
				return true
			}
		}
	}
	return false
}

// threads lists the threads of a process.
func threads(pid int) []int {
	d, err := os.Open("/proc/" + strconv.Itoa(pid) + "/task")
	if err != nil {
		return nil
	}
	defer d.Close()
	names, _ := d.Readdirnames(-1)
	var all []int
	for _, name := range names {
		if n, err := strconv.Atoi(name); err == nil {
			all = append(all, n)
		}
	}
	return all
}
