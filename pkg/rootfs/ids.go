package rootfs

import (
	"archive/tar"
	"bufio"
	"fmt"
	"strconv"
	"strings"
)

// ids are the numbers of the users and groups that every Debian system has
// (Debian policy 9.2.2), as the package base-passwd lists them.
type ids struct{ users, groups map[string]int }

// masterFiles are base-passwd's lists.
const (
	passwdMaster = "usr/share/base-passwd/passwd.master"
	groupMaster  = "usr/share/base-passwd/group.master"
)

func readIDs(pkgs []*unpacked) (ids, error) {
	var i ids
	for _, u := range pkgs {
		if u.Name != "base-passwd" {
			continue
		}
		for _, e := range u.entries {
			var err error
			switch e.hdr.Name {
			case passwdMaster:
				i.users, err = readMaster(e.content)
			case groupMaster:
				i.groups, err = readMaster(e.content)
			}
			if err != nil {
				return ids{}, fmt.Errorf("reading %s of %s: %w", e.hdr.Name, u.Package, err)
			}
		}
	}
	return i, nil
}

// readMaster reads the lines name:password:number:….
func readMaster(c *content) (map[string]int, error) {
	m := map[string]int{}
	if c == nil {
		return m, nil
	}
	s := bufio.NewScanner(c.reader())
	for s.Scan() {
		f := strings.Split(s.Text(), ":")
		if len(f) < 3 {
			continue
		}
		n, err := strconv.Atoi(f[2])
		if err != nil {
			return nil, err
		}
		m[f[0]] = n
	}
	return m, s.Err()
}

// header returns the entry's header with numeric owners only. A tar that
// names an owner but has no number for it is read with the master's number.
func (i ids) header(h *tar.Header) *tar.Header {
	c := *h
	if n, ok := i.users[h.Uname]; ok && h.Uid == 0 {
		c.Uid = n
	}
	if n, ok := i.groups[h.Gname]; ok && h.Gid == 0 {
		c.Gid = n
	}
	c.Uname, c.Gname = "", ""
	return &c
}
