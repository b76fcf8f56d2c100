package effect

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/imgbuild/imgbuild/pkg/rootfs"
)

// debianMirror returns this machine's own Debian mirror, as apt is configured.
func debianMirror(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("apt-get", "indextargets", "--format", "$(REPO_URI)").Output()
	if err == nil {
		for line := range strings.Lines(string(out)) {
			if u := strings.TrimSpace(line); strings.HasSuffix(u, "/debian/") {
				return u
			}
		}
	}
	return "https://mirrors.aliyun.com/debian/"
}

// debootstrap makes a real root of Debian trixie with all maintainer scripts
// run, and returns its folder, which still holds the packages. The environment
// variable IMGBUILD_TEST_ROOT names one made before.
func debootstrap(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv("IMGBUILD_TEST_ROOT"); dir != "" {
		return dir
	}
	tool, err := exec.LookPath("debootstrap")
	if err != nil || os.Getuid() != 0 {
		if out, err := exec.Command("apt-get", "install", "-y", "--no-install-recommends", "debootstrap").CombinedOutput(); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("debootstrap is needed, run as root, and could not be installed: %v\n%s", err, out)
			}
			t.Skip("debootstrap is not installed or this is not root: no real root to compare with")
		}
		tool = "debootstrap"
	}
	keys, err := filepath.Glob("/usr/share/keyrings/debian-archive-trixie-stable.*")
	if err != nil || len(keys) == 0 {
		t.Fatal("debian-archive-keyring has no key of trixie; install a newer one")
	}
	root := filepath.Join(t.TempDir(), "root")
	cmd := exec.CommandContext(t.Context(), tool, "--variant=minbase", "--include=ca-certificates,tzdata,ruby,netbase",
		"--keyring="+keys[0], "trixie", root, debianMirror(t))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("debootstrap: %v\n%s", err, out)
	}
	return root
}

// unpack reads the packages into a tree as dpkg would, for the effects.
func unpack(t *testing.T, debs []string) *memTree {
	t.Helper()
	m := newMemTree("amd64")
	keep := func(p string) bool {
		return slices.ContainsFunc(All(), func(e rootfs.Effect) bool { return e.Keep(p) })
	}
	for _, deb := range debs {
		pkg := strings.SplitN(filepath.Base(deb), "_", 2)[0]
		eachMember(t, deb, "--ctrl-tarfile", func(hdr *tar.Header, r io.Reader) {
			if hdr.Typeflag == tar.TypeReg {
				b, _ := io.ReadAll(r)
				m.control = append(m.control, rootfs.ControlFile{Package: pkg, Name: path.Base(hdr.Name), Text: b})
			}
		})
		eachMember(t, deb, "--fsys-tarfile", func(hdr *tar.Header, r io.Reader) {
			hdr.Name = strings.TrimPrefix(path.Clean("/"+hdr.Name), "/")
			if hdr.Typeflag == tar.TypeLink {
				hdr.Linkname = strings.TrimPrefix(path.Clean("/"+hdr.Linkname), "/")
			}
			if hdr.Name == "" || hdr.Typeflag == tar.TypeDir && m.entries[hdr.Name] != nil {
				return
			}
			var b []byte
			if hdr.Typeflag == tar.TypeReg && keep(hdr.Name) {
				b, _ = io.ReadAll(r)
			}
			m.add(hdr, b)
			if b == nil && hdr.Size > 0 {
				delete(m.content, hdr.Name)
			}
		})
	}
	return m
}

func eachMember(t *testing.T, deb, what string, do func(*tar.Header, io.Reader)) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "dpkg-deb", what, deb)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(out); ; {
		hdr, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("%s: %v", deb, err)
		}
		do(hdr, r)
	}
	_, _ = io.Copy(io.Discard, out) // the archive's padding
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%s: %v", deb, err)
	}
}

// differences are those that remain between our root and debootstrap's, and
// why. One that does not occur fails the test too.
var differences = []struct{ pattern, reason string }{
	{`^dev/`, "devices are made by the container runtime"},
	{`^var/lib/dpkg/(info/.*|status|status-old|available|cmethopt|lock|lock-frontend|diversions-old|triggers/Lock)$`, "dpkg's status and lists are package rootfs's; locks and old copies are not state"},
	{`^var/(lib/apt/lists|cache/apt)/`, "debootstrap's downloads"},
	{`^var/log/(bootstrap|dpkg|alternatives)\.log$`, "logs of the installation"},
	{`^etc/(hostname|resolv\.conf|hosts|fstab|apt/sources\.list)$`, "debootstrap writes or copies them from the host"},
	{`^etc/(\.pwd\.lock|passwd-|group-)$`, "lock and backups of the account tools"},
	{`^etc/systemd/system/timers\.target\.wants`, "no systemd runs in the image; deb-systemd-helper enables the timers if systemd is installed"},
	{`^var/lib/systemd/deb-systemd-helper-enabled`, "as above"},
	{`^var/cache/debconf/`, "answers and templates are loaded again from dpkg's info folder when a package is configured"},
	{`^var/cache/ldconfig/aux-cache$`, "holds the inodes of the machine that made it"},
	{`^run/mount$`, "left by mount(8) while debootstrap ran"},
}

// TestAgainstDebootstrap compares what the effects make with what Debian's own
// maintainer scripts made, entry by entry and byte by byte.
func TestAgainstDebootstrap(t *testing.T) {
	root := debootstrap(t)
	debs, err := filepath.Glob(filepath.Join(root, "var/cache/apt/archives/*.deb"))
	if err != nil || len(debs) < 50 {
		t.Fatalf("%d packages in the root: %v", len(debs), err)
	}
	m := unpack(t, debs)
	// The day of shadow's last change is the tree's time.
	st, err := os.Stat(filepath.Join(root, "etc/shadow"))
	if err != nil {
		t.Fatal(err)
	}
	m.time = st.ModTime()
	for _, e := range All() {
		if err := e.Apply(m); err != nil {
			t.Fatalf("%s: %v", e.Name(), err)
		}
	}
	used := make([]bool, len(differences))
	differ := func(p, format string, args ...any) {
		for i, d := range differences {
			if regexp.MustCompile(d.pattern).MatchString(p) {
				used[i] = true
				return
			}
		}
		t.Errorf("/%s: %s", p, fmt.Sprintf(format, args...))
	}
	seen := map[string]bool{}
	err = filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		p, _ := filepath.Rel(root, name)
		if p == "." {
			return nil
		}
		seen[p] = true
		info, err := d.Info()
		if err != nil {
			return err
		}
		hdr, ok := m.entries[p]
		if !ok {
			differ(p, "missing")
			return nil
		}
		compareEntry(m, name, info, hdr, func(format string, args ...any) { differ(p, format, args...) })
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for p := range m.entries {
		if !seen[p] {
			differ(p, "not in the real root")
		}
	}
	for i, d := range differences {
		if !used[i] {
			t.Errorf("the accepted difference %s does not occur any more: take it away", d.pattern)
		}
	}
}

func compareEntry(m *memTree, name string, info fs.FileInfo, hdr *tar.Header, differ func(string, ...any)) {
	st := info.Sys().(*syscall.Stat_t)
	if want := hdr.FileInfo().Mode(); hdr.Typeflag != tar.TypeLink && info.Mode().Type() != want.Type() {
		differ("is %v, want %v", want, info.Mode())
		return
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		if target, _ := os.Readlink(name); target != hdr.Linkname {
			differ("leads to %s, want %s", hdr.Linkname, target)
		}
		return
	}
	if hdr.Typeflag == tar.TypeLink {
		return
	}
	if got, want := hdr.Mode&0o7777, int64(st.Mode&0o7777); got != want {
		differ("mode %o, want %o", got, want)
	}
	if hdr.Uid != int(st.Uid) || hdr.Gid != int(st.Gid) {
		differ("owner %d:%d, want %d:%d", hdr.Uid, hdr.Gid, st.Uid, st.Gid)
	}
	if info.Mode().IsRegular() && m.put[hdr.Name] {
		want, err := os.ReadFile(name)
		if err != nil {
			differ("%v", err)
		} else if !bytes.Equal(want, m.content[hdr.Name]) {
			differ("content differs: %s", firstDifference(m.content[hdr.Name], want))
		}
	} else if info.Mode().IsRegular() && info.Size() != hdr.Size {
		differ("%d bytes, want %d", hdr.Size, info.Size())
	}
}

func firstDifference(got, want []byte) string {
	i := 0
	for i < min(len(got), len(want)) && got[i] == want[i] {
		i++
	}
	from := max(0, i-40)
	return fmt.Sprintf("at byte %d of %d: %q, want (of %d) %q", i, len(got), got[from:min(len(got), i+80)], len(want), want[from:min(len(want), i+80)])
}
