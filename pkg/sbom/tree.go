package sbom

import (
	"archive/tar"
	"path"
	"slices"
	"strings"
)

// tree is a flattened file system.
type tree struct {
	nodes    map[string]*node
	unpacked int64 // size of all layers in bytes
	// followed are the symbolic links that were followed already, by path.
	followed map[string]place
}

// maxLinks is how many symbolic links a path may lead over, as in Linux
// (path_resolution(7)).
const maxLinks = 40

// visible says whether no upper layer has hidden n or has its path already.
func (f *flattener) visible(n *node) bool {
	if old := f.nodes[n.Path]; old != nil && old.layer != n.layer {
		return false
	}
	if f.whiteouts[n.Path] {
		return false
	}
	for dir := path.Dir(n.Path); dir != "."; dir = path.Dir(dir) {
		if f.whiteouts[dir] || f.opaques[dir] {
			return false
		}
		// A file of an upper layer took the folder's place.
		if up := f.nodes[dir]; up != nil && up.layer != n.layer && up.kind != tar.TypeDir && up.kind != tar.TypeSymlink {
			return false
		}
	}
	return !f.opaques[""]
}

// canonical moves what layers have below a symbolic link to where it really
// lies: whoever unpacks a layer follows links. The upper layer's file wins.
func (t *tree) canonical() {
	defer clear(t.followed) // moving files may have changed where links lead
	for _, p := range t.paths() {
		n := t.nodes[p]
		real, ok := t.parent(p)
		if !ok || real == p {
			continue
		}
		delete(t.nodes, p)
		if old := t.nodes[real]; old == nil || old.layer < n.layer {
			n.Path = real
			t.nodes[real] = n
		}
	}
}

// paths are all paths, sorted.
func (t *tree) paths() []string {
	out := make([]string, 0, len(t.nodes))
	for p := range t.nodes {
		out = append(out, p)
	}
	slices.Sort(out)
	return out
}

// parent returns the path with the symbolic links of its folders resolved, but
// not that of its last element: /lib/x is usr/lib/x. It is false for a path
// that leads in circles.
func (t *tree) parent(p string) (string, bool) {
	dir, base := path.Split(p)
	if dir == "" {
		return p, true
	}
	real, ok := t.walk("", dir, 0)
	return path.Join(real, base), ok
}

// resolve returns where the path leads when all symbolic links are followed.
func (t *tree) resolve(p string) (string, bool) { return t.walk("", p, 0) }

// walk goes the way from a folder whose path has no links in it. It is false
// for a way over more than maxLinks links, or in circles.
func (t *tree) walk(from, way string, links int) (string, bool) {
	at := from
	for name := range strings.SplitSeq(way, "/") {
		switch name {
		case "", ".":
			continue
		case "..":
			at = strings.TrimPrefix(path.Dir("/"+at), "/")
			continue
		}
		next := name
		if at != "" {
			next = at + "/" + name
		}
		n := t.nodes[next]
		if n == nil || n.kind != tar.TypeSymlink {
			at = next
			continue
		}
		// Each link is followed once, however many paths lead over it.
		known, ok := t.followed[next]
		if !ok {
			if links == maxLinks {
				return "", false
			}
			if path.IsAbs(n.Link) {
				at = ""
			}
			t.followed[next] = place{} // where a circle comes back to
			known.path, known.ok = t.walk(at, n.Link, links+1)
			t.followed[next] = known
		}
		if !known.ok {
			return "", false
		}
		at = known.path
	}
	return at, true
}

// place is where a symbolic link leads, if anywhere.
type place struct {
	path string
	ok   bool
}

// file returns the node at p, all links followed, if it is a regular file.
func (t *tree) file(p string) *node {
	real, ok := t.resolve(p)
	if !ok {
		return nil
	}
	if n := t.nodes[real]; n != nil && n.kind == tar.TypeReg {
		return n
	}
	return nil
}
