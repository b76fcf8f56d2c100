package testtool

import (
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// unmountBelow lets go of all mounts below dir, so that it can be removed.
func unmountBelow(dir string) {
	data, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return
	}
	var mounts []string
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); len(f) > 1 && strings.HasPrefix(f[1], dir+"/") {
			mounts = append(mounts, f[1])
		}
	}
	slices.Reverse(mounts) // the last one lies on top
	for _, m := range mounts {
		_ = unix.Unmount(m, unix.MNT_DETACH)
	}
}
