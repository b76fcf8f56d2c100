package container

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// user is whom the entrypoint runs as.
type user struct {
	uid, gid int
	groups   []int
	home     string
}

// lookUp finds what a Dockerfile's USER says, NAME or UID, and :GROUP or :GID,
// in the image's own files (passwd(5), group(5)). Numbers need not be in them.
func lookUp(spec string, passwd, group io.Reader) (user, error) {
	u := user{home: "/"}
	name, groupName, grouped := strings.Cut(spec, ":")
	uid, err := strconv.Atoi(name)
	numeric := err == nil
	u.uid = uid
	known := false
	err = eachLine(passwd, 7, func(f []string) bool {
		id, err := strconv.Atoi(f[2])
		if err != nil || f[0] != name && !(numeric && id == uid) {
			return true
		}
		u.uid, u.home, name, known = id, cmp.Or(f[5], "/"), f[0], true
		u.gid, _ = strconv.Atoi(f[3])
		return false
	})
	if err != nil {
		return u, err
	}
	if !known && !numeric {
		return u, fmt.Errorf("the image's user %q is not in its /etc/passwd", name)
	}
	gid, err := strconv.Atoi(groupName)
	numericGroup := err == nil
	if grouped && numericGroup {
		u.gid = gid
	}
	found := false
	err = eachLine(group, 4, func(f []string) bool {
		id, err := strconv.Atoi(f[2])
		switch {
		case err != nil:
		case grouped && f[0] == groupName && !numericGroup:
			u.gid, found = id, true
		case !grouped && known && slices.Contains(strings.Split(f[3], ","), name):
			u.groups = append(u.groups, id)
		}
		return true
	})
	if err != nil {
		return u, err
	}
	if grouped && !numericGroup && !found {
		return u, fmt.Errorf("the image's group %q is not in its /etc/group", groupName)
	}
	if u.uid < 0 || u.gid < 0 {
		return u, fmt.Errorf("the image's user %q is not one", spec)
	}
	return u, nil
}

// eachLine calls f with the fields of each whole line until it returns false.
func eachLine(file io.Reader, fields int, f func([]string) bool) error {
	const most = 1 << 20 // of a file that an image brings
	lines := bufio.NewScanner(io.LimitReader(file, most))
	lines.Buffer(nil, most)
	for lines.Scan() {
		if got := strings.Split(lines.Text(), ":"); len(got) == fields && !f(got) {
			return nil
		}
	}
	return lines.Err()
}

// lookUpFiles is lookUp in the files that open opens. Absent ones have no
// lines: slim images need none.
func lookUpFiles(spec string, open func(string) (*os.File, error)) (user, error) {
	var files [2]io.Reader
	for n, name := range []string{"/etc/passwd", "/etc/group"} {
		f, err := open(name)
		if errors.Is(err, fs.ErrNotExist) {
			files[n] = strings.NewReader("")
			continue
		}
		if err != nil {
			return user{}, err
		}
		defer f.Close()
		files[n] = f
	}
	return lookUp(spec, files[0], files[1])
}

// capabilities are those that Docker leaves to root of a container, but for
// CAP_MKNOD: there are no devices beside those in /dev.
var capabilities = map[string]uintptr{
	"CAP_CHOWN": unix.CAP_CHOWN, "CAP_DAC_OVERRIDE": unix.CAP_DAC_OVERRIDE, "CAP_FOWNER": unix.CAP_FOWNER, "CAP_FSETID": unix.CAP_FSETID,
	"CAP_KILL": unix.CAP_KILL, "CAP_SETGID": unix.CAP_SETGID, "CAP_SETUID": unix.CAP_SETUID, "CAP_SETPCAP": unix.CAP_SETPCAP,
	"CAP_NET_BIND_SERVICE": unix.CAP_NET_BIND_SERVICE, "CAP_NET_RAW": unix.CAP_NET_RAW, "CAP_SYS_CHROOT": unix.CAP_SYS_CHROOT,
	"CAP_AUDIT_WRITE": unix.CAP_AUDIT_WRITE, "CAP_SETFCAP": unix.CAP_SETFCAP,
}

// allowed says whether a container may run as the user.
func (u user) allowed(nested bool) error {
	if nested && (u.uid != 0 || u.gid != 0) {
		return fmt.Errorf("the image's user has the number %d:%d, and a plain user may start containers of root only; run imgbuild as root", u.uid, u.gid)
	}
	return nil
}

// become gives the calling thread, which is to exec, the user's rights.
func (u user) become(nested bool) error {
	kept := slices.Collect(maps.Values(capabilities))
	for c := uintptr(0); c <= unix.CAP_LAST_CAP; c++ {
		if slices.Contains(kept, c) {
			continue
		}
		// EINVAL: this kernel does not have it yet.
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil && !errors.Is(err, unix.EINVAL) {
			return fmt.Errorf("dropping capability %d: %w", c, err)
		}
	}
	if err := u.allowed(nested); err != nil {
		return err
	}
	if !nested { // in a user namespace of a plain user setgroups(2) is denied
		if err := syscall.Setgroups(append([]int{u.gid}, u.groups...)); err != nil {
			return fmt.Errorf("setting the user's groups: %w", err)
		}
	}
	if err := syscall.Setgid(u.gid); err != nil {
		return fmt.Errorf("setting the user's group: %w", err)
	}
	if err := syscall.Setuid(u.uid); err != nil {
		return fmt.Errorf("setting the user: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("setting no_new_privs: %w", err)
	}
	return nil
}
