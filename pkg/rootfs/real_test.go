package rootfs_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/fetch"
	"github.com/imgbuild/imgbuild/pkg/input/debian"
	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/mirror"
	"github.com/imgbuild/imgbuild/pkg/rootfs"
	"github.com/imgbuild/imgbuild/pkg/rootfs/effect"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// tarSink writes a real tar to a file.
type tarSink struct{ w *tar.Writer }

func (s tarSink) Add(h *tar.Header, r io.Reader) error {
	c := *h
	c.Format = tar.FormatPAX
	if err := s.w.WriteHeader(&c); err != nil {
		return err
	}
	if r == nil {
		return nil
	}
	_, err := io.Copy(s.w, r)
	return err
}

// trixie fetches the packages of a request from this machine's mirror.
func trixie(t *testing.T, arch string, req debian.Request) (pkgs []rootfs.Package, files []string) {
	t.Helper()
	st, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	m, err := mirror.New(mirror.Options{})
	if err != nil {
		t.Fatal(err)
	}
	f, err := fetch.New(st, m)
	if err != nil {
		t.Fatal(err)
	}
	a, err := debian.Open(t.Context(), f, st, "trixie", arch)
	if err != nil {
		t.Fatal(err)
	}
	sel, err := a.Resolve(req)
	if err != nil {
		t.Fatal(err)
	}
	var ins []lock.Input
	for _, s := range sel {
		ins = append(ins, s.Input())
	}
	if err := f.All(t.Context(), ins); err != nil {
		t.Fatal(err)
	}
	for _, s := range sel {
		file := st.Path(v1.Hash{Algorithm: "sha256", Hex: s.SHA256})
		files = append(files, file)
		pkgs = append(pkgs, rootfs.Package{Name: s.Name, Version: s.Version, Arch: s.Arch,
			Open: func() (rootfs.ReadAtCloser, error) { return os.Open(file) }})
	}
	return pkgs, files
}

// writeTar builds the root file system into a tar and returns its path.
func writeTar(t *testing.T, pkgs []rootfs.Package, opt rootfs.Options) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "layer.tar")
	f, err := os.Create(out)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := tar.NewWriter(f)
	opt.TempDir = t.TempDir()
	if _, err := rootfs.Write(t.Context(), tarSink{w}, pkgs, opt); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out
}

// readTar adds a line for each entry of a tar. Folders have no time: dpkg
// changes it when it writes into them; links have no mode.
func readTar(t *testing.T, r io.Reader, into map[string]string) {
	t.Helper()
	tr := tar.NewReader(r)
	for {
		h, err := tr.Next()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		name := path.Clean(h.Name)
		line := fmt.Sprintf("%c %d:%d", h.Typeflag, h.Uid, h.Gid)
		switch h.Typeflag {
		case tar.TypeDir:
			if into[name] != "" {
				continue // the first package's
			}
			line += fmt.Sprintf(" %o", h.Mode&0o7777)
		case tar.TypeReg:
			sum := sha256.New()
			if _, err := io.Copy(sum, tr); err != nil {
				t.Fatal(err)
			}
			line += fmt.Sprintf(" %o %x %d", h.Mode&0o7777, sum.Sum(nil), h.ModTime.Unix())
		case tar.TypeSymlink:
			line += fmt.Sprintf(" %s %d", h.Linkname, h.ModTime.Unix())
		case tar.TypeLink:
			line += " " + path.Clean(h.Linkname)
		}
		into[name] = line
	}
}

var osPackages = debian.Request{Essential: true, Packages: []string{"apt", "ca-certificates", "tzdata"}}

// TestAgainstDpkg compares a whole Debian, file by file, with what the real
// dpkg-deb unpacks from the same packages.
func TestAgainstDpkg(t *testing.T) {
	testtool.Whole(t)
	dpkgDeb := testtool.Need(t, "dpkg-deb", "dpkg")
	for _, arch := range []string{"amd64", "arm64"} {
		t.Run(arch, func(t *testing.T) {
			req := osPackages
			if arch == "amd64" {
				req.Packages = append(req.Packages[:len(req.Packages):len(req.Packages)], "perl", "man-db") // hard links, other owners
			}
			pkgs, files := trixie(t, arch, req)
			want := map[string]string{}
			for _, f := range files {
				var b, stderr bytes.Buffer
				cmd := exec.CommandContext(t.Context(), dpkgDeb, "--fsys-tarfile", f)
				cmd.Stdout, cmd.Stderr = &b, &stderr
				if err := cmd.Run(); err != nil {
					t.Fatalf("%v: %s", err, stderr.Bytes())
				}
				readTar(t, &b, want)
			}
			delete(want, ".")
			f, err := os.Open(writeTar(t, pkgs, rootfs.Options{}))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			got := map[string]string{}
			readTar(t, f, got)
			for p, w := range want {
				if g := got[p]; g != w {
					t.Errorf("%s is %q, dpkg-deb has %q", p, g, w)
				}
			}
			for p, g := range got {
				if want[p] == "" && !strings.HasPrefix(p, "var/lib/dpkg/") && p != "etc/machine-id" {
					t.Errorf("%s is %q, and in no package", p, g)
				}
			}
			if len(want) < 4500 {
				t.Errorf("only %d paths were compared", len(want))
			}
		})
	}
}

// TestRealSystem lets the real dpkg and apt of a slim image look at it, and
// then unpack and configure every package over itself: nothing may change in
// dpkg's database but what it does on its own.
func TestRealSystem(t *testing.T) {
	testtool.Whole(t)
	testtool.NeedRoot(t) // chroot
	pkgs, files := trixie(t, "amd64", osPackages)
	layer := writeTar(t, pkgs, rootfs.Options{Slim: true, Effects: effect.All()})
	root := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "tar", "-xpf", layer, "--numeric-owner", "-C", root).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	run := func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "/usr/bin/env", args...)
		cmd.Dir = "/"
		cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8"}
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root}
		out, err := cmd.CombinedOutput()
		// dpkg -V tells what is missing by its exit status, too.
		if err != nil && args[1] != "-V" {
			t.Errorf("%s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	read := func(p string) string {
		t.Helper()
		b, err := os.ReadFile(filepath.Join(root, p))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	look := func() {
		t.Helper()
		run("bash", "-c", "true")
		if out := run("dpkg", "--audit"); out != "" {
			t.Errorf("dpkg --audit: %s", out)
		}
		for line := range strings.Lines(run("dpkg", "-V")) {
			p := line[strings.IndexByte(line, '/')+1:]
			if !strings.HasPrefix(line, "missing") || !slimmed.MatchString(p) {
				t.Errorf("dpkg -V: %s", line)
			}
		}
		if out := run("apt-cache", "policy", "libc6"); !strings.Contains(out, "Installed: 2.") {
			t.Errorf("apt-cache policy: %s", out)
		}
		if out := run("apt-get", "check"); strings.Contains(out, "E:") {
			t.Errorf("apt-get check: %s", out)
		}
	}
	look()

	status := read("var/lib/dpkg/status")
	lists := map[string]string{}
	infos, err := filepath.Glob(filepath.Join(root, "var/lib/dpkg/info/*"))
	if err != nil || len(infos) < 300 {
		t.Fatalf("%d files in info: %v", len(infos), err)
	}
	for _, f := range append(infos, filepath.Join(root, "var/lib/dpkg/triggers/File"), filepath.Join(root, "var/lib/dpkg/triggers/ldconfig")) {
		p, _ := filepath.Rel(root, f)
		lists[p] = read(p)
	}
	diverted := blocks(read("var/lib/dpkg/diversions"), 3)
	if err := os.Mkdir(filepath.Join(root, "debs"), 0o755); err != nil {
		t.Fatal(err)
	}
	args := []string{"dpkg", "--force-confdef,depends", "--install"}
	for i, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprintf("/debs/%03d.deb", i)
		if err := os.WriteFile(filepath.Join(root, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
		args = append(args, name)
	}
	run(args...)
	look()
	if got := read("var/lib/dpkg/status"); got != status {
		t.Errorf("status differs after dpkg --install:\n%s", firstDifference(status, got))
	}
	for p, want := range lists {
		if got := read(p); got != want {
			t.Errorf("%s differs after dpkg --install:\n%s", p, firstDifference(want, got))
		}
	}
	got := blocks(read("var/lib/dpkg/diversions"), 3)
	for d := range diverted {
		if !got[d] {
			t.Errorf("dpkg has no diversion %q", d)
		}
	}
	if len(got) != len(diverted) || len(got) == 0 {
		t.Errorf("diversions %v, dpkg has %v", diverted, got)
	}
}
