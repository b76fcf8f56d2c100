package container

import (
	"os"
	"runtime"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Privileged says whether this process may make containers without a user
// namespace: it has CAP_SYS_ADMIN, as root has.
var Privileged = sync.OnceValue(func() bool {
	h := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&h, &data[0]); err != nil {
		return false
	}
	return os.Geteuid() == 0 && data[0].Effective&(1<<unix.CAP_SYS_ADMIN) != 0
})

// inUserNamespace says whether root is not that of the machine: the first
// namespace maps all numbers onto themselves (user_namespaces(7)).
var inUserNamespace = sync.OnceValue(func() bool {
	b, err := os.ReadFile("/proc/self/uid_map")
	return err == nil && strings.Join(strings.Fields(string(b)), " ") != "0 0 4294967295"
})

// owners says whether files can be given to any user.
func owners() bool { return Privileged() && !inUserNamespace() }

// mayUnshare tries to make the namespaces of a container, on a thread that ends
// with them.
func mayUnshare() error {
	failed := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked
		failed <- unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS)
	}()
	return <-failed
}
