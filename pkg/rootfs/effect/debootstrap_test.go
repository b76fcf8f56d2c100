package effect

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/imgbuild/imgbuild/internal/testtool"
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
	testtool.NeedRoot(t)
	tool := testtool.Need(t, "debootstrap", "debootstrap")
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

// packages returns the .deb files as package rootfs takes them.
func packages(t *testing.T, debs []string) []rootfs.Package {
	t.Helper()
	var out []rootfs.Package
	for _, deb := range debs {
		name, err := url.PathUnescape(strings.TrimSuffix(filepath.Base(deb), ".deb"))
		f := strings.Split(name, "_")
		if err != nil || len(f) != 3 {
			t.Fatalf("%s is not named NAME_VERSION_ARCH.deb", deb)
		}
		out = append(out, rootfs.Package{Name: f[0], Version: f[1], Arch: f[2], Open: func() (rootfs.ReadAtCloser, error) { return os.Open(deb) }})
	}
	return out
}

// result is a root file system as it would go into a layer.
type result struct {
	entries map[string]*tar.Header
	sums    map[string][sha256.Size]byte
	small   map[string][]byte // the content of small files below /etc and /var
}

// Add implements layer.Sink.
func (r *result) Add(hdr *tar.Header, content io.Reader) error {
	h := *hdr
	r.entries[h.Name] = &h
	if content == nil {
		return nil
	}
	sum, small := sha256.New(), &bytes.Buffer{}
	w := io.Writer(sum)
	if h.Size < 300<<10 && (under(h.Name, "etc") || under(h.Name, "var")) {
		w = io.MultiWriter(sum, small)
	}
	if _, err := io.Copy(w, content); err != nil {
		return err
	}
	r.sums[h.Name], r.small[h.Name] = [sha256.Size]byte(sum.Sum(nil)), small.Bytes()
	return nil
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
	{`^(var/lib/dpkg/(statoverride|arch)|etc/machine-id)$`, "package rootfs makes them empty, or with what is the default"},
	{`^run/mount$`, "left by mount(8) while debootstrap ran"},
}

// TestAgainstDebootstrap compares what the effects make with what Debian's own
// maintainer scripts made, entry by entry and byte by byte.
func TestAgainstDebootstrap(t *testing.T) {
	testtool.Whole(t)
	root := debootstrap(t)
	debs, err := filepath.Glob(filepath.Join(root, "var/cache/apt/archives/*.deb"))
	if err != nil || len(debs) < 50 {
		t.Fatalf("%d packages in the root: %v", len(debs), err)
	}
	// The day of shadow's last change is the tree's time.
	st, err := os.Stat(filepath.Join(root, "etc/shadow"))
	if err != nil {
		t.Fatal(err)
	}
	m := &result{map[string]*tar.Header{}, map[string][sha256.Size]byte{}, map[string][]byte{}}
	if _, err := rootfs.Write(t.Context(), m, packages(t, debs), rootfs.Options{
		Arch: "amd64", Effects: All(), Time: st.ModTime(), TempDir: t.TempDir(),
	}); err != nil {
		t.Fatal(err)
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
	t.Run("ldconfig", func(t *testing.T) { compareLdconfig(t, root) })
}

func compareEntry(m *result, name string, info fs.FileInfo, hdr *tar.Header, differ func(string, ...any)) {
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
	if !info.Mode().IsRegular() {
		return
	}
	want, err := os.ReadFile(name)
	if err != nil {
		differ("%v", err)
	} else if hdr.Name == "var/lib/dpkg/diversions" {
		// dpkg writes its hash table: only the set of them is right or wrong.
		if got, want := triples(m.small[hdr.Name]), triples(want); !slices.Equal(got, want) {
			differ("has %q, want %q", got, want)
		}
	} else if sha256.Sum256(want) != m.sums[hdr.Name] {
		differ("content differs: %s", firstDifference(m.small[hdr.Name], want))
	}
}

// triples are the groups of three lines of dpkg's diversions, sorted.
func triples(text []byte) []string {
	lines := slices.Collect(strings.Lines(string(text)))
	var out []string
	for g := range slices.Chunk(lines, 3) {
		out = append(out, strings.Join(g, ""))
	}
	slices.Sort(out)
	return out
}

func firstDifference(got, want []byte) string {
	i := 0
	for i < min(len(got), len(want)) && got[i] == want[i] {
		i++
	}
	from := max(0, i-40)
	return fmt.Sprintf("at byte %d of %d: %q, want (of %d) %q", i, len(got), got[from:min(len(got), i+80)], len(want), want[from:min(len(want), i+80)])
}
