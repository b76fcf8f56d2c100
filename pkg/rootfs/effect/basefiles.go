package effect

import (
	"fmt"

	"github.com/imgbuild/imgbuild/pkg/rootfs"
)

const baseFilesShare = "usr/share/base-files"

// baseFiles does what base-files' postinst does on a first install: templates
// copied to their places, the folders that are not in the package, the links
// from /var into /run, and the login records.
type baseFiles struct{}

func (baseFiles) Name() string { return "base-files" }

func (baseFiles) Keep(p string) bool { return under(p, baseFilesShare) }

func (e baseFiles) Apply(t rootfs.Tree) error {
	if !isFile(t, baseFilesShare+"/profile") {
		return nil
	}
	for _, step := range []func(rootfs.Tree) error{e.links, e.templates, e.folders, e.records} {
		if err := step(t); err != nil {
			return err
		}
	}
	return nil
}

func (baseFiles) links(t rootfs.Tree) error {
	if exists(t, "etc/dpkg/origins/debian") {
		if _, ok := t.Lookup("etc/dpkg/origins/default"); !ok {
			if err := putLink(t, "etc/dpkg/origins/default", "debian"); err != nil {
				return err
			}
		}
	}
	// Where a package brings libraries for another word size, the folder in /
	// is a link as /lib is.
	for _, d := range []string{"lib32", "lib64", "libo32", "libx32"} {
		if _, ok := t.Lookup(d); !ok && impliedFolder(t, "usr/"+d) {
			if err := putLink(t, d, "usr/"+d); err != nil {
				return err
			}
		}
	}
	// migrate_directory: rmdir refuses where files are in it.
	for _, l := range []struct{ path, target string }{{"var/run", "/run"}, {"var/lock", "/run/lock"}} {
		for hdr := range t.Walk(l.path) {
			if hdr.Name != l.path && hdr.Name != l.path+"/" {
				return fmt.Errorf("/%s must become a link to %s, but %s is in it", l.path, l.target, hdr.Name)
			}
		}
		t.Remove(l.path)
		if err := putLink(t, l.path, l.target); err != nil {
			return err
		}
	}
	return putLink(t, "var/spool/mail", "../mail")
}

func (baseFiles) templates(t rootfs.Tree) error {
	for _, c := range []struct{ from, to string }{
		{"dot.profile", "root/.profile"},
		{"dot.bashrc", "root/.bashrc"},
		{"profile", "etc/profile"},
		{"motd", "etc/motd"},
		{"info.dir", "usr/share/info/dir"},
	} {
		if c.from == "info.dir" && !exists(t, "usr/share/info") {
			continue
		}
		if err := copyNew(t, baseFilesShare+"/"+c.from, c.to); err != nil {
			return err
		}
	}
	return nil
}

func (baseFiles) folders(t rootfs.Tree) error {
	mail, err := groupID(t, "mail")
	if err != nil {
		return err
	}
	for _, p := range []string{"mnt", "srv", "opt", "etc/opt", "var/opt", "media"} {
		if err := putFolder(t, p, 0o755, 0); err != nil {
			return err
		}
	}
	if err := putFolder(t, "var/mail", 0o2775, mail); err != nil {
		return err
	}
	if err := putFolder(t, "run/lock", 0o1777, 0); err != nil {
		return err
	}
	// Without /etc/staff-group-for-usr-local, which Debian no longer makes,
	// these belong to root.
	for _, p := range []string{"", "/share", "/share/man", "/bin", "/games", "/lib", "/libexec", "/include", "/sbin", "/src", "/etc"} {
		if err := putFolder(t, "usr/local"+p, 0o755, 0); err != nil {
			return err
		}
	}
	return putLink(t, "usr/local/man", "share/man")
}

func (baseFiles) records(t rootfs.Tree) error {
	utmp, err := groupID(t, "utmp")
	if err != nil {
		return err
	}
	for p, mode := range map[string]int64{"wtmp": 0o664, "btmp": 0o660, "lastlog": 0o664} {
		if err := putNew(t, "var/log/"+p, mode, utmp, nil); err != nil {
			return err
		}
	}
	return nil
}

// copyNew copies a template to where no file is, with its mode and time
// (cp -p). Nothing happens where the template was left out of the image.
func copyNew(t rootfs.Tree, from, to string) error {
	_, src, ok := resolve(t, from)
	if !ok || exists(t, to) {
		return nil
	}
	b, err := readFile(t, from)
	if err != nil {
		return err
	}
	hdr := *src
	hdr.Name = to
	return putCopy(t, &hdr, b)
}
