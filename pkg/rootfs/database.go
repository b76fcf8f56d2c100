package rootfs

import (
	"strings"

	"github.com/imgbuild/imgbuild/pkg/deb"
)

type field = deb.Field

const (
	dpkgDir = "var/lib/dpkg/"
	infoDir = dpkgDir + "info/"
)

// writeDatabase writes what dpkg knows of the packages, as if it had unpacked
// and configured them.
func (t *tree) writeDatabase(div diversions, minimal bool) error {
	for _, u := range t.pkgs {
		if err := t.writeInfo(u, div, minimal); err != nil {
			return err
		}
	}
	files := map[string]string{
		dpkgDir + "status": statusText(t.pkgs),
		infoDir + "format": "1\n",
	}
	if !minimal {
		files[dpkgDir+"available"] = ""
		files[dpkgDir+"arch"] = t.arch + "\n"
		files[dpkgDir+"arch-native"] = t.arch + "\n"
		files[dpkgDir+"diversions"] = div.text()
		files[dpkgDir+"statoverride"] = ""
		files[dpkgDir+"cmethopt"] = "apt apt\n"
		for name, text := range triggerFiles(t.pkgs) {
			files[dpkgDir+"triggers/"+name] = text
		}
		for _, d := range []string{"alternatives", "parts", "updates"} {
			if err := t.putDir(dpkgDir+d, 0o755); err != nil {
				return err
			}
		}
		if auto := extendedStates(t.pkgs, t.arch); auto != "" {
			files["var/lib/apt/extended_states"] = auto
		}
	}
	return t.putAll(files, 0o644)
}

// writeInfo writes the package's files in info/.
func (t *tree) writeInfo(u *unpacked, div diversions, minimal bool) error {
	stem := infoDir + u.infoName() + "."
	if err := t.put(stem+"list", 0o644, u.list(div)); err != nil {
		return err
	}
	for _, c := range u.control {
		if c.Name == "control" || minimal && c.Name != "md5sums" {
			continue
		}
		// dpkg keeps the modes of control.tar; only scripts can be run.
		mode := int64(0o644)
		if c.Executable {
			mode = 0o755
		}
		if err := t.put(stem+c.Name, mode, string(c.Text)); err != nil {
			return err
		}
	}
	return nil
}

// list is info/*.list: the package's paths as shipped, in the archive's order.
func (u *unpacked) list(div diversions) string {
	var b strings.Builder
	for _, e := range u.entries {
		if e.hdr.Name == "." {
			b.WriteString("/.\n")
		} else if !u.lost[usrMerge(div.target(u.Name, e.hdr.Name))] {
			b.WriteString("/" + e.hdr.Name + "\n")
		}
	}
	return b.String()
}

// text is dpkg's file diversions: three lines for each.
func (ds diversions) text() string {
	var b strings.Builder
	for _, d := range ds {
		by := d.by
		if by == "" {
			by = ":"
		}
		b.WriteString("/" + d.from + "\n/" + d.to + "\n" + by + "\n")
	}
	return b.String()
}

// putAll writes texts by path.
func (t *tree) putAll(files map[string]string, mode int64) error {
	for p, text := range files {
		if err := t.put(p, mode, text); err != nil {
			return err
		}
	}
	return nil
}
