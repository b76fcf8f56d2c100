package discovery

import (
	"bytes"
	"os"
	"strconv"
)

// sockets lists the inodes of a process's sockets. Where the files of a
// process that runs as another user may not be looked at, uid is that user.
func sockets(pid int, inodes map[string]bool) (uid string, hidden bool) {
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
		if len(link) > 9 && link[:8] == "socket:[" {
			inodes[link[8:len(link)-1]] = true
		}
	}
	return "", false
}

// owner is the user a process runs as. /proc/<pid> itself belongs to root
// where the process may not be looked at, so its status is read.
func owner(pid int) string {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return ""
	}
	_, rest, _ := bytes.Cut(b, []byte("\nUid:"))
	f := bytes.Fields(rest)
	if len(f) < 2 {
		return ""
	}
	return string(f[1]) // the effective one, which sockets are made with
}
