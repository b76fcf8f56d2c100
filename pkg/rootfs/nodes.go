package rootfs

import (
	"archive/tar"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"path"
	"slices"
	"strings"
	"time"
)

const typeDir = tar.TypeDir

// node is one path of the tree. Names of one file (hard links) are nodes that
// share an inode; their type is regular.
type node struct {
	hdr   *tar.Header
	inode *inode
	// seq orders what packages shipped; 0 is for what was generated.
	seq int
	// owners are the packages that shipped the path, for a folder all of them.
	owners []*unpacked
	// implied is a folder that was only needed as a parent.
	implied bool
}

type inode struct{ content *content }

func (n *node) generated() bool { return n.seq == 0 }

// tree is the file system in the making; it implements Tree.
type tree struct {
	arch   string
	pkgs   []*unpacked
	nodes  map[string]*node
	sorted []string // paths in order; nil when out of date
	seq    int
	newest time.Time
	spool  *spool // of what effects put
}

func newTree(arch string, pkgs []*unpacked, newest time.Time, s *spool) *tree {
	return &tree{arch: arch, pkgs: pkgs, nodes: map[string]*node{}, newest: newest, spool: s}
}

func (t *tree) set(p string, n *node) {
	if t.nodes[p] == nil {
		t.sorted = nil
	}
	n.hdr.Name = p
	t.nodes[p] = n
}

func (t *tree) delete(p string) {
	delete(t.nodes, p)
	t.sorted = nil
}

func (t *tree) paths() []string {
	if t.sorted == nil {
		t.sorted = slices.Sorted(maps.Keys(t.nodes))
	}
	return t.sorted
}

// clean makes any spelling of a path the one under which the tree has it.
func clean(p string) string {
	p = strings.TrimPrefix(path.Clean("/"+p), "/")
	if isMerged(p) {
		return p
	}
	return usrMerge(p)
}

// Arch implements Tree.
func (t *tree) Arch() string { return t.arch }

// Lookup implements Tree.
func (t *tree) Lookup(p string) (*tar.Header, bool) {
	n := t.nodes[clean(p)]
	if n == nil {
		return nil, false
	}
	return n.hdr, true
}

// Walk implements Tree. What is added during the walk is not seen by it.
func (t *tree) Walk(dir string) iter.Seq[*tar.Header] {
	dir = clean(dir)
	return func(yield func(*tar.Header) bool) {
		for _, p := range t.under(dir) {
			if n := t.nodes[p]; n != nil && !yield(n.hdr) {
				return
			}
		}
	}
}

// under returns the paths below dir, in order.
func (t *tree) under(dir string) []string {
	all := t.paths()
	if dir == "" {
		return all
	}
	i, _ := slices.BinarySearch(all, dir+"/")
	j := i
	for j < len(all) && strings.HasPrefix(all[j], dir+"/") {
		j++
	}
	return all[i:j]
}

// Open implements Tree.
func (t *tree) Open(p string) (Content, error) {
	real, ok := t.resolve(clean(p))
	n := t.nodes[real]
	if !ok || n == nil {
		return nil, &fs.PathError{Op: "open", Path: p, Err: fs.ErrNotExist}
	}
	if n.inode == nil {
		return nil, &fs.PathError{Op: "open", Path: p, Err: fmt.Errorf("not a regular file")}
	}
	if n.inode.content.s == t.spool {
		if err := t.spool.flush(); err != nil {
			return nil, err
		}
	}
	return spoolContent{n.inode.content.reader()}, nil
}

// resolve follows all symbolic links in p. The root is "", true.
func (t *tree) resolve(p string) (string, bool) {
	const maxLinks = 40 // as Linux has it
	links := 0
	rest := strings.Split(p, "/")
	at := ""
	for len(rest) > 0 {
		c := rest[0]
		rest = rest[1:]
		switch c {
		case "", ".":
			continue
		case "..":
			if at = path.Dir(at); at == "." {
				at = ""
			}
			continue
		}
		next := path.Join(at, c)
		n := t.nodes[next]
		switch {
		case n == nil:
			return "", false
		case n.hdr.Typeflag == tar.TypeSymlink:
			if links++; links > maxLinks {
				return "", false
			}
			if strings.HasPrefix(n.hdr.Linkname, "/") {
				at = ""
			}
			rest = append(strings.Split(n.hdr.Linkname, "/"), rest...)
		case n.hdr.Typeflag != typeDir && len(rest) > 0:
			return "", false
		default:
			at = next
		}
	}
	return at, true
}

// Put implements Tree.
func (t *tree) Put(hdr *tar.Header, r io.Reader) error {
	p := clean(hdr.Name)
	if p == "" {
		return fmt.Errorf("putting %q: not a path in the tree", hdr.Name)
	}
	h := *hdr
	if h.ModTime.IsZero() {
		h.ModTime = t.newest
	}
	h.Mode &= 0o7777
	old := t.nodes[p]
	if old != nil && old.hdr.Typeflag == typeDir && h.Typeflag != typeDir && len(t.under(p)) > 0 {
		return fmt.Errorf("putting %s: a folder that is not empty is in its place", p)
	}
	n := &node{hdr: &h}
	switch h.Typeflag {
	case tar.TypeReg:
		if r == nil {
			r = strings.NewReader("")
		}
		c, err := t.spool.add(r)
		if err != nil {
			return fmt.Errorf("putting %s: %w", p, err)
		}
		h.Size = c.size
		n.inode = &inode{c}
	case tar.TypeLink:
		to := t.nodes[clean(h.Linkname)]
		if to == nil || to.inode == nil {
			return fmt.Errorf("putting %s: hard link to %s, which is not a file", p, h.Linkname)
		}
		h, n.inode = *to.hdr, to.inode
	case tar.TypeSymlink, tar.TypeDir:
		h.Size = 0
	default:
		return fmt.Errorf("putting %s: type %q is not allowed", p, h.Typeflag)
	}
	if old != nil && old.hdr.Typeflag == typeDir && h.Typeflag == typeDir {
		n.seq, n.owners = old.seq, old.owners
	}
	if err := t.ensureParents(p); err != nil {
		return fmt.Errorf("putting %s: %w", p, err)
	}
	t.set(p, n)
	return nil
}

// ensureParents makes the folders above p that are not there, and refuses to
// go through anything that is not a folder.
func (t *tree) ensureParents(p string) error {
	for i, c := range p {
		if c != '/' {
			continue
		}
		up := p[:i]
		n := t.nodes[up]
		if n == nil {
			t.set(up, &node{implied: true, hdr: &tar.Header{Typeflag: typeDir, Mode: 0o755, ModTime: t.newest}})
		} else if n.hdr.Typeflag == tar.TypeSymlink {
			return fmt.Errorf("%s is a symbolic link to %s: nothing is written through it", up, n.hdr.Linkname)
		} else if n.hdr.Typeflag != typeDir {
			return fmt.Errorf("%s is not a folder", up)
		}
	}
	return nil
}

// addLink puts a symbolic link that nobody shipped.
func (t *tree) addLink(p, target string) {
	t.set(p, &node{hdr: &tar.Header{Typeflag: tar.TypeSymlink, Linkname: target, Mode: 0o777, ModTime: t.newest}})
}

// Remove implements Tree.
func (t *tree) Remove(p string) {
	p = clean(p)
	for _, q := range slices.Clone(t.under(p)) {
		t.delete(q)
	}
	t.delete(p)
}

// ControlFiles implements Tree.
func (t *tree) ControlFiles() iter.Seq[ControlFile] {
	return func(yield func(ControlFile) bool) {
		for _, u := range t.pkgs {
			for _, c := range u.control {
				if !yield(ControlFile{Package: u.Name, Name: c.Name, Text: c.Text}) {
					return
				}
			}
		}
	}
}
