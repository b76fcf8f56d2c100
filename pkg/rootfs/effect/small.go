package effect

import (
	"archive/tar"
	"bytes"
	"maps"

	"github.com/imgbuild/imgbuild/pkg/rootfs"
)

// putCopy writes content with the mode, owner and time of src.
func putCopy(t rootfs.Tree, src *tar.Header, content []byte) error {
	return t.Put(&tar.Header{
		Typeflag: tar.TypeReg, Name: src.Name, Mode: src.Mode, Uid: src.Uid, Gid: src.Gid,
		ModTime: src.ModTime, Size: int64(len(content)), PAXRecords: maps.Clone(src.PAXRecords),
	}, bytes.NewReader(content))
}

// nsswitch copies libc-bin's /etc/nsswitch.conf, as its postinst does.
type nsswitch struct{}

const nsswitchTemplate = "usr/share/libc-bin/nsswitch.conf"

func (nsswitch) Name() string { return "nsswitch.conf" }

func (nsswitch) Keep(p string) bool { return p == nsswitchTemplate }

func (nsswitch) Apply(t rootfs.Tree) error {
	return copyNew(t, nsswitchTemplate, "etc/nsswitch.conf")
}

// netbase writes /etc/hosts and /etc/networks, as netbase's postinst does.
type netbase struct{}

func (netbase) Name() string { return "netbase" }

func (netbase) Keep(string) bool { return false }

func (netbase) Apply(t rootfs.Tree) error {
	if !exists(t, "etc/protocols") || !hasScript(t, "netbase", "postinst") {
		return nil
	}
	const (
		hosts = "127.0.0.1\tlocalhost\n" +
			"::1\t\tlocalhost ip6-localhost ip6-loopback\n" +
			"ff02::1\t\tip6-allnodes\n" +
			"ff02::2\t\tip6-allrouters\n\n"
		networks = "default\t\t0.0.0.0\n" +
			"loopback\t127.0.0.0\n" +
			"link-local\t169.254.0.0\n\n"
	)
	if err := putNew(t, "etc/hosts", 0o644, 0, []byte(hosts)); err != nil {
		return err
	}
	return putNew(t, "etc/networks", 0o644, 0, []byte(networks))
}

// timezone links /etc/localtime to UTC, as tzdata's postinst does with the
// answers that debconf has by default. Debian 13 writes no /etc/timezone.
type timezone struct{}

const utc = "/usr/share/zoneinfo/Etc/UTC"

func (timezone) Name() string { return "localtime" }

func (timezone) Keep(string) bool { return false }

func (timezone) Apply(t rootfs.Tree) error {
	if !exists(t, utc) {
		return nil
	}
	if _, ok := t.Lookup("etc/localtime"); ok {
		return nil
	}
	return putLink(t, "etc/localtime", utc)
}

// openssl makes /usr/lib/ssl a link to /etc/ssl where the package has none.
type openssl struct{}

func (openssl) Name() string { return "openssl" }

func (openssl) Keep(string) bool { return false }

func (openssl) Apply(t rootfs.Tree) error {
	if !hasScript(t, "openssl", "postinst") || exists(t, "usr/lib/ssl") {
		return nil
	}
	return putLink(t, "usr/lib/ssl", "/etc/ssl")
}

// hasScript says whether a package with that control file is installed.
func hasScript(t rootfs.Tree, pkg, name string) bool {
	for f := range t.ControlFiles() {
		if f.Package == pkg && f.Name == name {
			return true
		}
	}
	return false
}
