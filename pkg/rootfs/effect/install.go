package effect

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
)

// Install is one call of `update-alternatives --install LINK NAME PATH
// PRIORITY [--slave LINK NAME PATH]…` (update-alternatives(1)).
type Install struct {
	// Link is the generic name, such as /usr/bin/awk; Path is what provides it.
	Link, Name, Path string
	Priority         int
	Slaves           []Slave
}

// Slave is a link that goes with the main one of its group.
type Slave struct{ Link, Name, Path string }

// Installs returns the alternatives that a maintainer script installs, and how
// many calls of update-alternatives could not be read because they depend on
// shell variables. A call that can be read and is wrong is an error.
func Installs(script []byte) (installs []Install, unread int, err error) {
	calls, unread := Calls(script, "update-alternatives")
	for _, c := range calls {
		in, ok, err := parseInstall(c)
		if err != nil {
			return nil, 0, fmt.Errorf("update-alternatives %s: %w", strings.Join(c, " "), err)
		}
		if ok {
			installs = append(installs, in)
		}
	}
	return installs, unread, nil
}

// parseInstall reads the arguments of a call; ok is false where it is not one
// of --install.
func parseInstall(c Call) (in Install, ok bool, err error) {
	take := func(n int) ([]string, error) {
		if len(c) < n {
			return nil, fmt.Errorf("%d arguments are left where %d are needed", len(c), n)
		}
		a := c[:n]
		c = c[n:]
		return a, nil
	}
	for len(c) > 0 {
		option := c[0]
		c = c[1:]
		switch option {
		case "--install":
			a, err := take(4)
			if err != nil {
				return in, false, err
			}
			if in.Priority, err = strconv.Atoi(a[3]); err != nil {
				return in, false, fmt.Errorf("%q is not a priority", a[3])
			}
			in.Link, in.Name, in.Path, ok = a[0], a[1], a[2], true
			if err := checkNames(in.Link, in.Name, in.Path); err != nil {
				return in, false, err
			}
		case "--slave", "--follower":
			a, err := take(3)
			if err != nil {
				return in, false, err
			}
			if !ok {
				return in, false, errors.New("--slave before --install")
			}
			if err := checkNames(a[0], a[1], a[2]); err != nil {
				return in, false, err
			}
			in.Slaves = append(in.Slaves, Slave{Link: a[0], Name: a[1], Path: a[2]})
		case "--quiet", "--verbose", "--force", "--skip-auto", "--debug":
		case "--altdir", "--admindir", "--log", "--root", "--instdir":
			return in, false, fmt.Errorf("%s is not supported", option)
		default:
			// --remove, --auto, --config … and the arguments of such.
			return in, false, nil
		}
	}
	return in, ok, nil
}

// checkNames holds the rules that update-alternatives has for its arguments,
// and keeps a path from leaving the root.
func checkNames(link, name, target string) error {
	for _, p := range []string{link, target} {
		if !path.IsAbs(p) || path.Clean(p) != p || p == "/" || strings.ContainsAny(p, "\n\x00") {
			return fmt.Errorf("%q is not an absolute, clean path", p)
		}
	}
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/ \t\n\x00") {
		return fmt.Errorf("%q is not a name", name)
	}
	return nil
}

// state is the group's file in /var/lib/dpkg/alternatives: the mode, the link,
// the slaves' names and links, an empty line, and for each choice its path, its
// priority and its slaves' paths (empty where it has none), then an empty line.
func (g *group) state() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "auto\n%s\n", g.link)
	for _, s := range g.slaves {
		fmt.Fprintf(&b, "%s\n%s\n", s.Name, s.Link)
	}
	b.WriteByte('\n')
	for _, c := range g.choices {
		fmt.Fprintf(&b, "%s\n%d\n", c.Path, c.Priority)
		for _, s := range g.slaves {
			for _, own := range c.Slaves {
				if own.Name == s.Name {
					b.WriteString(own.Path)
				}
			}
			b.WriteByte('\n')
		}
	}
	b.WriteByte('\n')
	return b.Bytes()
}
