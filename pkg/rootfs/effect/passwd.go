package effect

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/imgbuild/imgbuild/pkg/rootfs"
)

const (
	passwdMaster = "usr/share/base-passwd/passwd.master"
	groupMaster  = "usr/share/base-passwd/group.master"
)

// passwd makes the account files from base-passwd's masters, as base-passwd's
// postinst does, and shadows them as passwd's postinst does (shadowconfig on).
// Debian 13's masters have _apt already, so apt's adduser finds it and does
// nothing.
type passwd struct{}

func (passwd) Name() string { return "passwd" }

func (passwd) Keep(p string) bool { return p == passwdMaster || p == groupMaster }

func (passwd) Apply(t rootfs.Tree) error {
	if !isFile(t, passwdMaster) || !isFile(t, groupMaster) {
		return nil
	}
	users, err := readDatabase(t, passwdMaster, 7)
	if err != nil {
		return err
	}
	groups, err := readDatabase(t, groupMaster, 4)
	if err != nil {
		return err
	}
	shadow, err := groups.id("shadow")
	if err != nil {
		return fmt.Errorf("%s: %w", groupMaster, err)
	}
	for _, f := range []struct {
		path string
		mode int64
		gid  int
		text []byte
	}{
		{"etc/passwd", 0o644, 0, users.shadowed()},
		{"etc/group", 0o644, 0, groups.shadowed()},
		{"etc/gshadow", 0o640, shadow, groups.gshadow()},
		{"etc/subuid", 0o644, 0, nil},
		{"etc/subgid", 0o644, 0, nil},
	} {
		if err := putFile(t, f.path, f.mode, f.gid, f.text); err != nil {
			return err
		}
	}
	return putFile(t, "etc/shadow", 0o640, shadow, users.shadow(lastChange(t)))
}

// lastChange is the day that goes into shadow's third field: the day of the
// tree's time (passwd(5) tools use SOURCE_DATE_EPOCH likewise), or empty, which
// turns password ageing off, where the tree has no time. Zero would mean that
// the password must be changed at the next login.
func lastChange(t rootfs.Tree) string {
	hdr, ok := t.Lookup("etc/passwd")
	if !ok || hdr.ModTime.Unix() < 86400 {
		return ""
	}
	return strconv.FormatInt(hdr.ModTime.Unix()/86400, 10)
}

// database is the lines of a passwd(5) or group(5) file, split into fields.
type database [][]string

func readDatabase(t rootfs.Tree, p string, fields int) (database, error) {
	b, err := readFile(t, p)
	if err != nil {
		return nil, err
	}
	d, err := parseDatabase(b, fields)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p, err)
	}
	return d, nil
}

// parseDatabase reads lines of colon-separated fields; the first field is a
// unique name and the third a number.
func parseDatabase(text []byte, fields int) (database, error) {
	var d database
	seen := map[string]bool{}
	for i, line := range strings.Split(string(bytes.TrimSuffix(text, []byte("\n"))), "\n") {
		f := strings.Split(line, ":")
		if len(f) != fields {
			return nil, fmt.Errorf("line %d: %d fields, want %d", i+1, len(f), fields)
		}
		if f[0] == "" || seen[f[0]] {
			return nil, fmt.Errorf("line %d: the name %q is empty or there twice", i+1, f[0])
		}
		seen[f[0]] = true
		if _, err := strconv.ParseUint(f[2], 10, 31); err != nil {
			return nil, fmt.Errorf("line %d: %q is not an id", i+1, f[2])
		}
		d = append(d, f)
	}
	return d, nil
}

// id returns the number of an entry.
func (d database) id(name string) (int, error) {
	for _, f := range d {
		if f[0] == name {
			return strconv.Atoi(f[2])
		}
	}
	return 0, fmt.Errorf("no entry %q", name)
}

// shadowed is the file with the password field moved away, as pwconv and
// grpconv leave it.
func (d database) shadowed() []byte {
	var b bytes.Buffer
	for _, f := range d {
		fmt.Fprintf(&b, "%s:x:%s\n", f[0], strings.Join(f[2:], ":"))
	}
	return b.Bytes()
}

// shadow is the shadow(5) file: the password field, the last change, and
// login.defs' defaults for the ageing fields (PASS_MIN_DAYS 0, PASS_MAX_DAYS
// 99999, PASS_WARN_AGE 7).
func (d database) shadow(lastChange string) []byte {
	var b bytes.Buffer
	for _, f := range d {
		fmt.Fprintf(&b, "%s:%s:%s:0:99999:7:::\n", f[0], f[1], lastChange)
	}
	return b.Bytes()
}

// gshadow is the gshadow(5) file: password, no administrators, the members.
func (d database) gshadow() []byte {
	var b bytes.Buffer
	for _, f := range d {
		fmt.Fprintf(&b, "%s:%s::%s\n", f[0], f[1], f[3])
	}
	return b.Bytes()
}

// groupID returns the number of a group in the tree, for files that a script
// gives to it.
func groupID(t rootfs.Tree, name string) (int, error) {
	if !isFile(t, "etc/group") {
		return 0, nil
	}
	d, err := readDatabase(t, "etc/group", 4)
	if err != nil {
		return 0, err
	}
	return d.id(name)
}
