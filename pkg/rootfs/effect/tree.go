package effect

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/imgbuild/imgbuild/pkg/rootfs"
)

// maxText is the size in bytes up to which an effect reads a file whole. The
// largest is a CA certificate or a PAM template of a few kilobytes.
const maxText = 1 << 20

// maxLinks is how many symbolic links are followed before a path is taken for
// a loop, as the kernel's MAXSYMLINKS.
const maxLinks = 40

// resolve follows symbolic links as the kernel would inside the root and
// returns the path of what p leads to. Where an entry does not exist, ok is
// false and the path is the one that was missing.
func resolve(t rootfs.Tree, p string) (real string, hdr *tar.Header, ok bool) {
	rest := strings.Split(strings.Trim(path.Clean("/"+p), "/"), "/")
	var at string
	for links := 0; len(rest) > 0; {
		name := rest[0]
		rest = rest[1:]
		if name == "" || name == "." {
			continue
		}
		if name == ".." {
			at = parent(at)
			continue
		}
		next := merged(t, path.Join(at, name))
		h, found := t.Lookup(next)
		if !found {
			// A folder may have no entry of its own while files are in it.
			if len(rest) > 0 && impliedFolder(t, next) {
				at = next
				continue
			}
			return path.Join(append([]string{next}, rest...)...), nil, false
		}
		if h.Typeflag != tar.TypeSymlink {
			at, hdr = next, h
			continue
		}
		if links++; links > maxLinks {
			return next, nil, false
		}
		if strings.HasPrefix(h.Linkname, "/") {
			at = ""
		}
		rest = append(strings.Split(strings.Trim(h.Linkname, "/"), "/"), rest...)
		hdr = nil
	}
	if hdr == nil {
		hdr, ok = t.Lookup(at)
		return at, hdr, ok
	}
	return at, hdr, true
}

// parent is the folder that p is in, "" for the root.
func parent(p string) string {
	if d := path.Dir(p); d != "." {
		return d
	}
	return ""
}

// merged applies usr-merge where the tree has no link for it of its own (an
// image without base-files).
func merged(t rootfs.Tree, p string) string {
	switch p {
	case "bin", "sbin", "lib", "lib64":
		if _, ok := t.Lookup(p); !ok {
			return "usr/" + p
		}
	}
	return p
}

func impliedFolder(t rootfs.Tree, dir string) bool {
	for range t.Walk(dir) {
		return true
	}
	return false
}

// exists says whether p leads to something, like test -e.
func exists(t rootfs.Tree, p string) bool {
	_, _, ok := resolve(t, p)
	return ok
}

// isFile says whether p leads to a regular file, like test -f.
func isFile(t rootfs.Tree, p string) bool {
	_, hdr, ok := resolve(t, p)
	return ok && regular(hdr)
}

// regular says whether hdr is a file with content; a hard link is one too.
func regular(hdr *tar.Header) bool {
	return hdr.Typeflag == tar.TypeReg || hdr.Typeflag == tar.TypeLink
}

// readFile returns the content of the small file that p leads to.
func readFile(t rootfs.Tree, p string) ([]byte, error) {
	real, _, ok := resolve(t, p)
	if !ok {
		return nil, fmt.Errorf("reading %s: no such file in the tree", p)
	}
	c, err := t.Open(real)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", p, err)
	}
	defer c.Close()
	if c.Size() > maxText {
		return nil, fmt.Errorf("reading %s: %d bytes, more than the %d that such a file may have", p, c.Size(), maxText)
	}
	b, err := io.ReadAll(io.NewSectionReader(c, 0, c.Size()))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", p, err)
	}
	return b, nil
}

// putFile writes a file owned by root and the group gid.
func putFile(t rootfs.Tree, p string, mode int64, gid int, content []byte) error {
	return t.Put(&tar.Header{
		Typeflag: tar.TypeReg, Name: p, Mode: mode, Gid: gid, Size: int64(len(content)),
	}, bytes.NewReader(content))
}

// putLink makes the symbolic link p to target.
func putLink(t rootfs.Tree, p, target string) error {
	return t.Put(&tar.Header{Typeflag: tar.TypeSymlink, Name: p, Linkname: target, Mode: 0o777}, nil)
}

// putFolder makes a folder owned by root and the group gid where nothing is.
func putFolder(t rootfs.Tree, p string, mode int64, gid int) error {
	if exists(t, p) {
		return nil
	}
	return t.Put(&tar.Header{Typeflag: tar.TypeDir, Name: p, Mode: mode, Gid: gid}, nil)
}

// putNew writes a file only where none is, as every script does that respects
// what an administrator (or a conffile) has put there.
func putNew(t rootfs.Tree, p string, mode int64, gid int, content []byte) error {
	if _, ok := t.Lookup(p); ok {
		return nil
	}
	return putFile(t, p, mode, gid, content)
}

// under says whether p is a file in dir or below it.
func under(p, dir string) bool {
	return strings.HasPrefix(p, dir+"/")
}
