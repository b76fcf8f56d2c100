package rootfs

import (
	"archive/tar"
	"fmt"
)

// merge adds the package's entries to the tree as dpkg would unpack them over
// what is there (dpkg's src/main/archives.c, tarobject).
func (t *tree) merge(u *unpacked, ids ids, div diversions) error {
	files := map[string]*node{} // this package's, by the path as shipped
	var links []*entry
	for _, e := range u.entries {
		if e.hdr.Name == "." {
			continue
		}
		if e.hdr.Typeflag == tar.TypeLink {
			links = append(links, e)
			continue
		}
		n := &node{hdr: ids.header(e.hdr)}
		if e.content != nil {
			n.inode = &inode{e.content}
		}
		if err := t.mergeEntry(u, e.hdr.Name, n, div); err != nil {
			return fmt.Errorf("unpacking %s: entry %s: %w", u.Package, e.hdr.Name, err)
		}
		files[e.hdr.Name] = n
	}
	// Links come last, so that a link may stand before its file.
	for _, e := range links {
		to := files[e.hdr.Linkname]
		if to == nil || to.inode == nil {
			return fmt.Errorf("unpacking %s: entry %s: hard link to %s, which is not a file of the package", u.Package, e.hdr.Name, e.hdr.Linkname)
		}
		h := *to.hdr
		n := &node{hdr: &h, inode: to.inode}
		if err := t.mergeEntry(u, e.hdr.Name, n, div); err != nil {
			return fmt.Errorf("unpacking %s: entry %s: %w", u.Package, e.hdr.Name, err)
		}
		files[e.hdr.Name] = n
	}
	return nil
}

func (t *tree) mergeEntry(u *unpacked, shipped string, n *node, div diversions) error {
	p := shipped
	if n.hdr.Typeflag != typeDir {
		p = div.target(u.Name, p)
	}
	if isMerged(p) && n.hdr.Typeflag == tar.TypeSymlink {
		if to := n.hdr.Linkname; to != "usr/"+p && to != "/usr/"+p {
			return fmt.Errorf("symbolic link to %s where usr/%s was expected", to, p)
		}
	} else {
		p = usrMerge(p)
	}
	if err := t.ensureParents(p); err != nil {
		return err
	}
	old := t.nodes[p]
	switch {
	case old == nil:
		return t.place(u, p, n)
	case old.hdr.Typeflag == typeDir && n.hdr.Typeflag == typeDir:
		if old.implied {
			return t.place(u, p, n)
		}
		if last := len(old.owners) - 1; last < 0 || old.owners[last] != u {
			old.owners = append(old.owners, u)
		}
		return nil
	case n.hdr.Typeflag == typeDir && old.hdr.Typeflag == tar.TypeSymlink:
		// dpkg leaves a link to a folder as it is.
		if real, ok := t.resolve(p); ok && (real == "" || t.nodes[real].hdr.Typeflag == typeDir) {
			return nil
		}
		return fmt.Errorf("a symbolic link of %s that leads to no folder is in its place", ownerNames(old))
	case old.hdr.Typeflag == typeDir || n.hdr.Typeflag == typeDir:
		return fmt.Errorf("one is a folder and the other is not, and %s has it too", ownerNames(old))
	}
	return t.contest(u, shipped, p, n, old)
}

// contest decides who gets a path, other than a folder, that an earlier
// package has.
func (t *tree) contest(u *unpacked, shipped, p string, n, old *node) error {
	if len(old.owners) == 0 {
		return t.place(u, p, n)
	}
	owner := old.owners[len(old.owners)-1]
	if owner == u {
		return fmt.Errorf("the package has it twice, as /%s", p)
	}
	if owner.Name == u.Name {
		same, err := sameFile(n, old)
		if err != nil {
			return err
		}
		if owner.sameArch() && u.sameArch() && same {
			old.owners = append(old.owners, u)
			return nil
		}
		return fmt.Errorf("%s for %s has another file there", owner.Package, owner.Arch)
	}
	if takes, err := u.replaces(owner); err != nil {
		return err
	} else if takes {
		for _, o := range old.owners {
			o.lost[p] = true
		}
		return t.place(u, p, n)
	}
	if keeps, err := owner.replaces(u); err != nil {
		return err
	} else if keeps {
		u.lost[p] = true
		return nil
	}
	return fmt.Errorf("%s has it too, and neither package Replaces the other", ownerNames(old))
}

func (t *tree) place(u *unpacked, p string, n *node) error {
	t.seq++
	n.seq = t.seq
	n.owners = []*unpacked{u}
	t.set(p, n)
	return nil
}

func ownerNames(n *node) string {
	if len(n.owners) == 0 {
		return "the system"
	}
	return n.owners[0].Package.String()
}

// sameFile compares what dpkg compares of a file shared by several
// architectures of a package: type, target and content.
func sameFile(a, b *node) (bool, error) {
	if a.hdr.Typeflag != b.hdr.Typeflag || a.hdr.Linkname != b.hdr.Linkname {
		return false, nil
	}
	if a.inode == nil {
		return true, nil
	}
	return sameContent(a.inode.content, b.inode.content)
}
