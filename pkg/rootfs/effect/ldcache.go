package effect

import (
	"path"
	"strings"

	"github.com/imgbuild/imgbuild/pkg/rootfs"
)

// ldCache writes /etc/ld.so.cache, as the ldconfig of libc-bin's trigger does.
// The result is the same byte for byte as that of Debian's ldconfig 2.41.
type ldCache struct{}

func (ldCache) Name() string { return "ld.so.cache" }

func (ldCache) Keep(p string) bool {
	return isDSO(path.Base(p)) || p == "etc/ld.so.conf" || strings.HasSuffix(p, ".conf") && under(p, "etc/ld.so.conf.d")
}

func (e ldCache) Apply(t rootfs.Tree) error {
	libc, err := findLibc(t)
	if err != nil || libc == "" {
		return err
	}
	generator, err := generatorOf(t, libc)
	if err != nil {
		return err
	}
	dirs, err := libraryFolders(t)
	if err != nil {
		return err
	}
	var entries []cacheEntry
	for _, d := range dirs {
		libs, err := scanFolder(t, d)
		if err != nil {
			return err
		}
		for _, l := range libs {
			// In a glibc-hwcaps folder ldconfig makes no links and lists files
			// by their own names.
			name := l.name
			if d.hwcaps == "" {
				name = l.soname
				if err := linkSoname(t, d, l); err != nil {
					return err
				}
			}
			entries = append(entries, cacheEntry{
				soname: l.soname, path: d.path + "/" + name,
				flags: l.flags, isaLevel: l.isaLevel, hwcaps: d.hwcaps,
			})
		}
	}
	// ldconfig's own cache of inodes and times means nothing in an image.
	t.Remove("var/cache/ldconfig/aux-cache")
	return putFile(t, "etc/ld.so.cache", 0o644, 0, encodeCache(entries, generator))
}

// isDSO says whether ldconfig looks at a file of that name (_dl_is_dso in
// glibc's dl-is_dso.h), less the temporary files of package managers.
func isDSO(name string) bool {
	if strings.HasSuffix(name, ".dpkg-new") || strings.HasSuffix(name, ".dpkg-tmp") ||
		strings.Contains(name, ".#prelink#") || strings.Contains(name, ";") {
		return false
	}
	return (strings.HasPrefix(name, "lib") || strings.HasPrefix(name, "ld-")) && strings.Contains(name, ".so") ||
		strings.HasPrefix(name, "ld.so.") || strings.HasPrefix(name, "ld64.so.")
}
