package rootfs

import "strings"

// merged are the top folders that are symbolic links into /usr on a Debian
// system since bookworm (https://wiki.debian.org/UsrMerge); base-files ships
// the links.
var merged = []string{"bin", "sbin", "lib", "lib32", "lib64", "libo32", "libx32"}

// usrMerge returns where a path shipped under an old spelling really is:
// lib/x → usr/lib/x. The old spelling's top itself becomes usr/lib too.
func usrMerge(path string) string {
	top, _, _ := strings.Cut(path, "/")
	for _, m := range merged {
		if top == m {
			return "usr/" + path
		}
	}
	return path
}

// isMerged says whether path is the top of an old spelling.
func isMerged(path string) bool {
	return !strings.Contains(path, "/") && usrMerge(path) != path
}

// ensureMerged makes the links that no package has shipped, as debootstrap
// does: those of every architecture, and lib64 where the loader lives in it.
func (t *tree) ensureMerged() {
	names := []string{"bin", "sbin", "lib"}
	if t.arch == "amd64" {
		names = append(names, "lib64")
	}
	for _, m := range names {
		n := t.nodes["usr/"+m]
		if t.nodes[m] != nil || n == nil || n.hdr.Typeflag != typeDir {
			continue
		}
		t.addLink(m, "usr/"+m)
	}
}
