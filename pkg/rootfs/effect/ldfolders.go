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
	configured, err := ldConf(t, "etc/ld.so.conf", 0)
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

// maxInclude is how deep include lines may nest.
const maxInclude = 8

// ldConf reads ld.so.conf(5): a folder a line, `include PATTERN`, comments.
func ldConf(t rootfs.Tree, p string, depth int) ([]string, error) {
	if !isFile(t, p) {
		return nil, nil
	}
	if depth > maxInclude {
		return nil, fmt.Errorf("/%s: includes nest more than %d deep", p, maxInclude)
	}
	text, err := readFile(t, p)
	if err != nil {
		return nil, err
	}
	var dirs []string
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		w := strings.Fields(line)
		switch {
		case len(w) == 0 || w[0] == "hwcap":
		case w[0] == "include":
			for _, pattern := range w[1:] {
				files, err := glob(t, parent(p), pattern)
				if err != nil {
					return nil, fmt.Errorf("/%s: %w", p, err)
				}
				for _, f := range files {
					more, err := ldConf(t, f, depth+1)
					if err != nil {
						return nil, err
					}
					dirs = append(dirs, more...)
				}
			}
		default:
			dir, _, _ := strings.Cut(strings.TrimSpace(line), "=")
			if dir = strings.TrimRight(dir, "/ \t"); dir != "" {
				dirs = append(dirs, dir)
			}
		}
	}
	return dirs, nil
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
