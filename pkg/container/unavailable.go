package container

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// ErrUnavailable is wrapped by errors which say that this machine does not let
// imgbuild run containers, and what to do about it. They are about the machine
// and never about an image.
var ErrUnavailable = errors.New("this machine does not let imgbuild run containers")

// restrictions are the kernel's settings that deny user namespaces, with the
// value at which they do, and where that is written.
var restrictions = []struct{ path, value, set string }{
	{"/proc/sys/user/max_user_namespaces", "0", "user.max_user_namespaces=15000"},                                     // namespaces(7)
	{"/proc/sys/kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone=1"},                         // Debian's kernels
	{"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1", "kernel.apparmor_restrict_unprivileged_userns=0"}, // Ubuntu's, since 23.10
}

// unavailable says what to do about an error of making a user namespace.
func unavailable(err error) error {
	for _, r := range restrictions {
		b, e := os.ReadFile(r.path)
		if e == nil && strings.TrimSpace(string(b)) == r.value {
			return fmt.Errorf("%w: %w; run imgbuild as root, or allow user namespaces: sysctl -w %s", ErrUnavailable, err, r.set)
		}
	}
	if errors.Is(err, syscall.ENOSYS) || errors.Is(err, syscall.EINVAL) {
		return fmt.Errorf("%w: %w; this kernel has no user namespaces: run imgbuild as root", ErrUnavailable, err)
	}
	return fmt.Errorf("%w: %w; run imgbuild as root, or outside of a container that denies user namespaces", ErrUnavailable, err)
}
