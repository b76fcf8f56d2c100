package effect

import (
	"archive/tar"
	"strings"
	"testing"

	"github.com/imgbuild/imgbuild/pkg/rootfs"
)

func apply(t *testing.T, e rootfs.Effect, m *memTree) {
	t.Helper()
	if err := e.Apply(m); err != nil {
		t.Fatalf("%s: %v", e.Name(), err)
	}
}

func expect(t *testing.T, m *memTree, want map[string]string) {
	t.Helper()
	for p, w := range want {
		if got := m.text(p); got != w {
			t.Errorf("%s: got %q, want %q", p, got, w)
		}
	}
}

func TestNothingIsDoneWithoutThePackages(t *testing.T) {
	m := newMemTree("amd64").file("usr/bin/tool", "")
	for _, e := range All() {
		apply(t, e, m)
	}
	for p := range m.put {
		t.Errorf("/%s was put into a tree with no package", p)
	}
}

func TestEffectsAreNamedOnce(t *testing.T) {
	seen := map[string]bool{}
	for _, e := range All() {
		if seen[e.Name()] || e.Name() == "" {
			t.Errorf("%q is there twice or empty", e.Name())
		}
		seen[e.Name()] = true
	}
}

func TestBaseFiles(t *testing.T) {
	m := newMemTree("amd64").file("etc/group", testGroup).
		file(baseFilesShare+"/profile", "P").file(baseFilesShare+"/motd", "M").file(baseFilesShare+"/dot.bashrc", "B").
		file("etc/motd", "own").file("etc/dpkg/origins/debian", "").file("usr/lib32/libx.so", "")
	m.add(&tar.Header{Typeflag: tar.TypeDir, Name: "var/run", Mode: 0o755}, nil)
	apply(t, baseFiles{}, m)
	expect(t, m, map[string]string{
		"etc/profile": "P", "root/.bashrc": "B", "root/.profile": "(nothing)", "etc/motd": "own",
		"var/run": "→ /run", "var/lock": "→ /run/lock", "var/spool/mail": "→ ../mail", "usr/local/man": "→ share/man",
		"etc/dpkg/origins/default": "→ debian", "lib32": "→ usr/lib32", "lib64": "(nothing)",
	})
	for p, want := range map[string]tar.Header{
		"var/mail": {Mode: 0o2775, Gid: 8}, "run/lock": {Mode: 0o1777}, "usr/local/libexec": {Mode: 0o755},
		"var/log/btmp": {Mode: 0o660, Gid: 43}, "var/log/wtmp": {Mode: 0o664, Gid: 43},
	} {
		if got := m.entries[p]; got == nil || got.Mode != want.Mode || got.Gid != want.Gid {
			t.Errorf("%s: got %+v, want mode %o, group %d", p, got, want.Mode, want.Gid)
		}
	}
	m = newMemTree("amd64").file(baseFilesShare+"/profile", "P").file("var/run/x.pid", "1")
	if err := (baseFiles{}).Apply(m); err == nil || !strings.Contains(err.Error(), "var/run/x.pid") {
		t.Errorf("a file in /var/run: got %v", err)
	}
}

func TestShells(t *testing.T) {
	m := newMemTree("amd64").link("bin", "usr/bin").
		file(shellsTemplate, "# shells\n/bin/sh\n").
		file(shellsFolder+"/bash", "/bin/bash # the shell\n").file(shellsFolder+"/zsh", "/usr/bin/zsh\n/bin/sh\n")
	apply(t, shells{}, m)
	list := "/bin/sh\n/usr/bin/sh\n/bin/bash \n/usr/bin/bash \n/usr/bin/zsh\n"
	expect(t, m, map[string]string{"etc/shells": "# shells\n" + list, "var/lib/shells.state": list})
}

func TestSmallFiles(t *testing.T) {
	m := newMemTree("amd64").
		file(nsswitchTemplate, "passwd: files\n").
		file("usr/share/zoneinfo/Etc/UTC", "").
		file("etc/protocols", "").script("netbase", "postinst", "").
		file("etc/hosts", "own").
		script("openssl", "postinst", "")
	for _, e := range []rootfs.Effect{nsswitch{}, timezone{}, netbase{}, openssl{}} {
		apply(t, e, m)
	}
	expect(t, m, map[string]string{
		"etc/nsswitch.conf": "passwd: files\n",
		"etc/localtime":     "→ /usr/share/zoneinfo/Etc/UTC",
		"etc/timezone":      "(nothing)",
		"etc/hosts":         "own",
		"etc/networks":      "default\t\t0.0.0.0\nloopback\t127.0.0.0\nlink-local\t169.254.0.0\n\n",
		"usr/lib/ssl":       "→ /etc/ssl",
	})
}

func TestResolve(t *testing.T) {
	m := newMemTree("amd64").link("bin", "usr/bin").link("a", "/b/../b/c").link("b/c", "../bin/x").
		file("usr/bin/x", "").link("loop", "loop2").link("loop2", "loop").link("up", "../../../usr")
	for p, want := range map[string]string{
		"/bin/x": "usr/bin/x", "a": "usr/bin/x", "up/bin/x": "usr/bin/x", "/sbin": "", "bin/none/x": "", "loop": "", "/../../usr": "usr",
	} {
		real, _, ok := resolve(m, p)
		if ok != (want != "") || ok && real != want {
			t.Errorf("%s: got %q, %v; want %q", p, real, ok, want)
		}
	}
}
