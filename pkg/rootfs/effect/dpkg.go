package effect

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/imgbuild/imgbuild/pkg/rootfs"
)

// dpkgDatabase writes those parts of /var/lib/dpkg that scripts and dpkg's
// unpacking make beside the status: the native architecture, the diversions,
// and who is interested in which trigger. Without the last, installing a
// library later would not run ldconfig.
type dpkgDatabase struct{}

func (dpkgDatabase) Name() string { return "dpkg" }

func (dpkgDatabase) Keep(string) bool { return false }

func (e dpkgDatabase) Apply(t rootfs.Tree) error {
	if !hasScript(t, "dpkg", "postinst") {
		return nil
	}
	if err := putFile(t, "var/lib/dpkg/arch-native", 0o644, 0, []byte(t.Arch()+"\n")); err != nil {
		return err
	}
	if err := putNew(t, "var/lib/dpkg/diversions", 0o644, 0, diversions(t)); err != nil {
		return err
	}
	return e.triggers(t)
}

// loaderDiversion is libc6's protective diversion of the dynamic linker; its
// path is the architecture's.
var loaderDiversion = regexp.MustCompile(`dpkg-divert --quiet --add --no-rename --divert "(/[^"$]+)" "(/[^"$]+)"`)

// diversions are those that preinst scripts add: libc6's of the dynamic linker
// and base-files' of the multilib links (both protect usr-merge, DEP 17). The
// format is three lines each: the file, its new name, the package.
func diversions(t rootfs.Tree) []byte {
	var loader, multilib bytes.Buffer
	add := func(b *bytes.Buffer, from, to, pkg string) { fmt.Fprintf(b, "%s\n%s\n%s\n", from, to, pkg) }
	for f := range t.ControlFiles() {
		switch {
		case f.Name != "preinst":
		case f.Package == "libc6":
			for _, m := range loaderDiversion.FindAllSubmatch(f.Text, -1) {
				add(&loader, string(m[2]), string(m[1]), "libc6")
			}
		case f.Package == "base-files" && bytes.Contains(f.Text, []byte("for d in lib32 libo32 libx32; do")):
			for _, d := range []string{"libx32", "lib32", "libo32"} {
				add(&multilib, "/"+d, "/."+d+".usr-is-merged", "base-files")
			}
		}
	}
	return append(loader.Bytes(), multilib.Bytes()...)
}

// triggers writes /var/lib/dpkg/triggers as deb-triggers(5) and dpkg's
// triggers.txt have it: one file a named trigger with the interested packages,
// and File with the paths that are watched.
func (dpkgDatabase) triggers(t rootfs.Tree) error {
	const dir = "var/lib/dpkg/triggers"
	named := map[string][]string{}
	var watched []string
	for f := range t.ControlFiles() {
		if f.Name != "triggers" {
			continue
		}
		for line := range strings.Lines(string(f.Text)) {
			line, _, _ = strings.Cut(line, "#")
			w := strings.Fields(line)
			if len(w) != 2 || !strings.HasPrefix(w[0], "interest") {
				continue
			}
			pkg := f.Package
			if w[0] == "interest-noawait" {
				pkg += "/noawait"
			}
			if strings.HasPrefix(w[1], "/") {
				watched = append(watched, w[1]+" "+pkg)
			} else {
				named[w[1]] = append(named[w[1]], pkg)
			}
		}
	}
	if err := putFolder(t, dir, 0o755, 0); err != nil {
		return err
	}
	slices.Sort(watched)
	named["File"] = watched
	named["Unincorp"] = nil
	for name, lines := range named {
		slices.Sort(lines)
		var b bytes.Buffer
		for _, l := range lines {
			b.WriteString(l + "\n")
		}
		if err := putNew(t, dir+"/"+name, 0o644, 0, b.Bytes()); err != nil {
			return err
		}
	}
	return nil
}
