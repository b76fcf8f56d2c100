package effect

import (
	"archive/tar"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/imgbuild/imgbuild/pkg/rootfs"
)

// multiarch are Debian's multiarch tuples of the architectures built for.
var multiarch = map[string]string{"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}

// libraryFolder is one folder that ldconfig looks into.
type libraryFolder struct {
	path   string // as configured: goes into the cache
	real   string // in the tree, links followed
	hwcaps string // the name below glibc-hwcaps, "" for a plain folder
}

// libraryFolders returns the folders of /etc/ld.so.conf, then Debian's default
// ones, each followed by its glibc-hwcaps folders. A folder that two paths lead
// to is listed by the first.
func libraryFolders(t rootfs.Tree) ([]libraryFolder, error) {
	var out []libraryFolder
	seen := map[string]bool{}
	add := func(d libraryFolder) bool {
		real, hdr, ok := resolve(t, d.path)
		if !ok && !(hdr == nil && impliedFolder(t, real)) || hdr != nil && hdr.Typeflag != tar.TypeDir || seen[real] {
			return false
		}
		seen[real] = true
		d.real = real
		out = append(out, d)
		return true
	}
	configured, err := ldConf(t, "etc/ld.so.conf")
	if err != nil {
		return nil, err
	}
	tuple, ok := multiarch[t.Arch()]
	if !ok {
		return nil, fmt.Errorf("the library folders of architecture %q are not known", t.Arch())
	}
	for _, p := range append(configured, "/lib/"+tuple, "/usr/lib/"+tuple, "/lib", "/usr/lib") {
		if !add(libraryFolder{path: p}) {
			continue
		}
		real := out[len(out)-1].real
		for _, name := range childFolders(t, real+"/glibc-hwcaps") {
			add(libraryFolder{path: p + "/glibc-hwcaps/" + name, hwcaps: name})
		}
	}
	return out, nil
}

// childFolders returns the names of the folders in dir that the dynamic linker
// can look up (no hidden ones, no colons).
func childFolders(t rootfs.Tree, dir string) []string {
	var names []string
	for hdr := range t.Walk(dir) {
		p := strings.Trim(hdr.Name, "/")
		if !under(p, dir) {
			continue
		}
		name, _, deeper := strings.Cut(strings.TrimPrefix(p, dir+"/"), "/")
		if strings.HasPrefix(name, ".") || strings.Contains(name, ":") || slices.Contains(names, name) {
			continue
		}
		if _, h, ok := resolve(t, dir+"/"+name); deeper || ok && h.Typeflag == tar.TypeDir {
			names = append(names, name)
		}
	}
	return names
}

// maxConf is how many configuration files are read: includes can go round.
const maxConf = 1000

// ldConf reads ld.so.conf(5): a folder a line, `include PATTERN`, comments. A
// file that is included again adds nothing.
func ldConf(t rootfs.Tree, p string) ([]string, error) {
	var dirs []string
	seen := map[string]bool{}
	var read func(p string) error
	read = func(p string) error {
		if seen[p] || !isFile(t, p) {
			return nil
		}
		if seen[p] = true; len(seen) > maxConf {
			return fmt.Errorf("/%s: more than %d files are included", p, maxConf)
		}
		text, err := readFile(t, p)
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(text)) {
			line, _, _ = strings.Cut(line, "#")
			w := strings.Fields(line)
			if len(w) == 0 || w[0] == "hwcap" {
				continue
			}
			if w[0] != "include" {
				dir, _, _ := strings.Cut(strings.TrimSpace(line), "=")
				if dir = strings.TrimRight(dir, "/ \t"); dir != "" {
					dirs = append(dirs, dir)
				}
				continue
			}
			for _, pattern := range w[1:] {
				files, err := glob(t, parent(p), pattern)
				if err != nil {
					return fmt.Errorf("/%s: %w", p, err)
				}
				for _, f := range files {
					if err := read(f); err != nil {
						return err
					}
				}
			}
		}
		return nil
	}
	err := read(p)
	return dirs, err
}

// glob returns the files of one folder that match a pattern, in byte order; a
// relative pattern is relative to the including file's folder.
func glob(t rootfs.Tree, from, pattern string) ([]string, error) {
	if !path.IsAbs(pattern) {
		pattern = path.Join("/", from, pattern)
	}
	dir, base := path.Split(path.Clean(pattern))
	dir = strings.Trim(dir, "/")
	var out []string
	for hdr := range t.Walk(dir) {
		p := strings.Trim(hdr.Name, "/")
		if parent(p) != dir {
			continue
		}
		ok, err := path.Match(base, path.Base(p))
		if err != nil {
			return nil, fmt.Errorf("include %s: %w", pattern, err)
		}
		if ok && (!strings.HasPrefix(path.Base(p), ".") || strings.HasPrefix(base, ".")) {
			out = append(out, p)
		}
	}
	slices.Sort(out)
	return out, nil
}
