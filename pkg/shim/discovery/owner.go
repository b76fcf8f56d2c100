package discovery

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/imgbuild/imgbuild/pkg/shim/program"
)

// holders says which process has a socket open, by the socket's inode.
type holders map[uint64]int

// add enters the sockets of a process. Where its files may not be looked at,
// as those of another user without CAP_SYS_PTRACE, uid is the user it runs as.
func (h holders) add(pid int) (uid uint32, hidden bool) {
	dir := "/proc/" + strconv.Itoa(pid) + "/fd"
	d, err := os.Open(dir)
	if err != nil {
		return owner(pid), os.IsPermission(err)
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return owner(pid), os.IsPermission(err)
	}
	for _, name := range names {
		link, err := os.Readlink(dir + "/" + name)
		if err != nil {
			if os.IsPermission(err) {
				return owner(pid), true
			}
			continue
		}
		number, ok := strings.CutPrefix(link, "socket:[")
		if inode, err := strconv.ParseUint(strings.TrimSuffix(number, "]"), 10, 64); ok && err == nil {
			h[inode] = pid
		}
	}
	return 0, false
}

// owner is the user a process runs as. /proc/<pid> itself belongs to root
// where the process may not be looked at, so its status is read.
func owner(pid int) uint32 {
	b, err := program.ReadProc("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return unknownUser
	}
	_, rest, _ := bytes.Cut(b, []byte("\nUid:"))
	f := bytes.Fields(rest)
	if len(f) < 2 {
		return unknownUser
	}
	uid, err := strconv.ParseUint(string(f[1]), 10, 32) // the effective one, which sockets are made with
	if err != nil {
		return unknownUser
	}
	return uint32(uid)
}

// reachable is the path at which this process reaches a Unix socket of pid (0:
// not known): a program may have given it relative to its working directory,
// and may live in a root of its own. "" where there is no way.
func reachable(path string, pid int) string {
	proc := "/proc/" + strconv.Itoa(pid)
	if !filepath.IsAbs(path) {
		dir, err := os.Readlink(proc + "/cwd")
		if pid == 0 || err != nil {
			return ""
		}
		path = filepath.Join(dir, path)
	}
	if isSocket(path) {
		return path
	}
	if below := filepath.Join(proc, "root", path); pid != 0 && isSocket(below) {
		return below
	}
	return ""
}

func isSocket(path string) bool {
	fi, err := os.Stat(path)
	return err == nil && fi.Mode().Type() == os.ModeSocket
}
