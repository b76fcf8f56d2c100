package effect

import (
	"archive/tar"
	"cmp"
	"fmt"
	"slices"

	"github.com/imgbuild/imgbuild/pkg/rootfs"
)

const (
	alternativesFolder = "etc/alternatives"
	alternativesState  = "var/lib/dpkg/alternatives"
)

// alternatives does what the calls of `update-alternatives --install` in the
// postinst scripts do: the groups' state, in automatic mode, and the links of
// the best choice.
type alternatives struct{}

func (alternatives) Name() string { return "alternatives" }

func (alternatives) Keep(string) bool { return false }

func (alternatives) Apply(t rootfs.Tree) error {
	groups := map[string]*group{}
	for f := range t.ControlFiles() {
		if f.Name != "postinst" {
			continue
		}
		installs, _, err := Installs(f.Text)
		if err != nil {
			return fmt.Errorf("alternatives of %s: %w", f.Package, err)
		}
		for _, in := range installs {
			// The tool refuses a choice that is not there: a manual page that
			// was left out of the image, which the scripts allow for.
			if !exists(t, in.Path) {
				continue
			}
			if groups[in.Name] == nil {
				groups[in.Name] = &group{name: in.Name}
			}
			groups[in.Name].add(in)
		}
	}
	names := make([]string, 0, len(groups))
	for name := range groups {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if err := groups[name].apply(t); err != nil {
			return fmt.Errorf("alternative %s: %w", name, err)
		}
	}
	return nil
}

// group is one alternative: a link that several packages can provide.
type group struct {
	name, link string
	slaves     []Slave // sorted by name; Path unused
	choices    []Install
}

func (g *group) add(in Install) {
	g.link = in.Link
	for _, s := range in.Slaves {
		if i := slices.IndexFunc(g.slaves, func(o Slave) bool { return o.Name == s.Name }); i >= 0 {
			g.slaves[i].Link = s.Link
		} else {
			g.slaves = append(g.slaves, Slave{Link: s.Link, Name: s.Name})
		}
	}
	slices.SortFunc(g.slaves, func(a, b Slave) int { return cmp.Compare(a.Name, b.Name) })
	g.choices = slices.DeleteFunc(g.choices, func(o Install) bool { return o.Path == in.Path })
	g.choices = append(g.choices, in)
	slices.SortFunc(g.choices, func(a, b Install) int { return cmp.Compare(a.Path, b.Path) })
}

// best is the choice of the highest priority, of equal ones the first by path.
func (g *group) best() Install {
	best := g.choices[0]
	for _, c := range g.choices[1:] {
		if c.Priority > best.Priority {
			best = c
		}
	}
	return best
}

func (g *group) apply(t rootfs.Tree) error {
	best := g.best()
	if err := linkAlternative(t, g.link, g.name, best.Path); err != nil {
		return err
	}
	for _, s := range best.Slaves {
		// update-alternatives skips the link of a slave that is not installed.
		if !exists(t, s.Path) {
			continue
		}
		if err := linkAlternative(t, s.Link, s.Name, s.Path); err != nil {
			return err
		}
	}
	return putFile(t, alternativesState+"/"+g.name, 0o644, 0, g.state())
}

// linkAlternative makes link → /etc/alternatives/name → target. A real file in
// the link's place stays, as without --force.
func linkAlternative(t rootfs.Tree, link, name, target string) error {
	dir, _, _ := resolve(t, parent(link[1:]))
	at := dir + link[lastSlash(link):]
	if hdr, ok := t.Lookup(at); ok && hdr.Typeflag != tar.TypeSymlink {
		return nil
	}
	if err := putLink(t, at, "/"+alternativesFolder+"/"+name); err != nil {
		return err
	}
	return putLink(t, alternativesFolder+"/"+name, target)
}

func lastSlash(s string) int {
	for i := len(s) - 1; i >= 0; i-- {
		if s[i] == '/' {
			return i
		}
	}
	return 0
}
