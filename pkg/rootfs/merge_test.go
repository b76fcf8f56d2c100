package rootfs

import (
	"archive/tar"
	"errors"
	"slices"
	"strings"
	"testing"

	. "github.com/imgbuild/imgbuild/pkg/deb/debtest"
)

func TestReplaces(t *testing.T) {
	a := pkg("a", File("./f", 0o644, "of a"), File("./g", 0o644, "g"))
	b := pkg("b", File("./f", 0o644, "of b"))
	list := infoDir + "%.list"
	for name, c := range map[string]struct {
		debs []Deb
		want string // f's content; empty: an error
		in   string // the package that lists f
	}{
		"neither":              {[]Deb{a, b}, "", ""},
		"identical content":    {[]Deb{a, pkg("b", File("./f", 0o644, "of a"))}, "", ""},
		"later replaces":       {[]Deb{a, with(b, "Replaces: x, a (<< 1.0-2)")}, "of b", "b"},
		"without version":      {[]Deb{a, with(b, "Replaces: a")}, "of b", "b"},
		"too new":              {[]Deb{a, with(b, "Replaces: a (<< 1.0-1)")}, "", ""},
		"other architecture":   {[]Deb{a, with(b, "Replaces: a:arm64")}, "", ""},
		"other package":        {[]Deb{a, with(b, "Replaces: ab")}, "", ""},
		"earlier replaces":     {[]Deb{with(a, "Replaces: b (<= 1.0-1)"), b}, "of a", "a"},
		"malformed constraint": {[]Deb{a, with(b, "Replaces: a (~ 1)")}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := write(t, Options{}, c.debs...)
			if c.want == "" {
				wantError(t, err, "b 1.0-1", "f")
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if s.content["f"] != c.want {
				t.Errorf("f is %q, want %q", s.content["f"], c.want)
			}
			for _, p := range []string{"a", "b"} {
				has := strings.Contains(s.content[strings.Replace(list, "%", p, 1)], "/f\n")
				if has != (p == c.in) {
					t.Errorf("package %s lists f: %v", p, has)
				}
			}
		})
	}
}

func TestConflicts(t *testing.T) {
	for name, c := range map[string]struct {
		debs []Deb
		want []string
	}{
		"folder over file":     {[]Deb{pkg("a", File("./x", 0o644, "")), pkg("b", Dir("./x/", 0o755))}, []string{"a 1.0-1", "b 1.0-1", "x"}},
		"file over folder":     {[]Deb{pkg("a", Dir("./x/", 0o755)), pkg("b", File("./x", 0o644, ""))}, []string{"a 1.0-1", "b 1.0-1", "x"}},
		"both spellings":       {[]Deb{pkg("a", File("./bin/x", 0o755, "")), pkg("b", File("./usr/bin/x", 0o755, ""))}, []string{"a 1.0-1", "b 1.0-1", "bin/x"}},
		"both in one package":  {[]Deb{pkg("a", File("./bin/x", 0o755, ""), File("./usr/bin/x", 0o755, ""))}, []string{"a 1.0-1", "twice"}},
		"twice":                {[]Deb{pkg("a", File("./x", 0o755, ""), File("./x", 0o755, ""))}, []string{"a 1.0-1", "twice"}},
		"through a link":       {[]Deb{pkg("a", Symlink("./etc", "/tmp"), File("./etc/x", 0o644, ""))}, []string{"a 1.0-1", "etc/x", "symbolic link"}},
		"through other's link": {[]Deb{pkg("a", Dir("./opt/", 0o755), Symlink("./opt/l", "/etc")), pkg("b", File("./opt/l/x", 0o644, ""))}, []string{"b 1.0-1", "opt/l/x", "symbolic link"}},
		"below a file":         {[]Deb{pkg("a", File("./x", 0o644, ""), File("./x/y", 0o644, ""))}, []string{"a 1.0-1", "x/y", "not a folder"}},
		"wrong merge link":     {[]Deb{pkg("a", Symlink("./lib", "tmp"))}, []string{"a 1.0-1", "lib"}},
		"link to no file":      {[]Deb{pkg("a", Link("./x", "./y"))}, []string{"a 1.0-1", "x", "y"}},
		"link to a folder":     {[]Deb{pkg("a", Dir("./y/", 0o755), Link("./x", "./y"))}, []string{"a 1.0-1", "x"}},
		"link to other's file": {[]Deb{pkg("b", File("./y", 0o4755, "")), pkg("a", Link("./x", "./y"))}, []string{"a 1.0-1", "x"}},
		"listed twice":         {[]Deb{pkg("a"), pkg("a")}, []string{"a", "twice"}},
		"diverted by two": {[]Deb{script(pkg("a"), "preinst", "#!/bin/sh\ndpkg-divert --add /x\n"),
			script(pkg("b"), "preinst", "#!/bin/sh\ndpkg-divert --add /x\n")}, []string{"b 1.0-1", "/x"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := write(t, Options{}, c.debs...)
			wantError(t, err, c.want...)
		})
	}
}

func TestWrongPackage(t *testing.T) {
	p := packages(t, pkg("a"))
	p[0].Version = "2"
	_, err := Write(t.Context(), newSink(), p, Options{TempDir: t.TempDir()})
	wantError(t, err, "a 1.0-1", "a 2")

	broken := errors.New("no such file")
	p[0].Open = func() (ReadAtCloser, error) { return nil, broken }
	if _, err := Write(t.Context(), newSink(), p, Options{TempDir: t.TempDir()}); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
}

func TestFoldersMerge(t *testing.T) {
	s := mustWrite(t, Options{},
		pkg("a", Dir("./opt/", 0o2775)), pkg("b", Dir("./opt/", 0o700), File("./opt/x/y", 0o644, "")), pkg("c", Dir("./opt/", 0o755), Dir("./opt/x/", 0o711)))
	if m := s.entries["opt"].Mode; m != 0o2775 {
		t.Errorf("opt is %o, not as the first package has it", m)
	}
	if m := s.entries["opt/x"].Mode; m != 0o711 {
		t.Errorf("opt/x is %o, not as the package has it that ships it", m)
	}
}

func TestUsrMerge(t *testing.T) {
	s := mustWrite(t, Options{Arch: "amd64"},
		pkg("a", Dir("./lib/", 0o755), Dir("./lib/x/", 0o755), File("./lib/x/so", 0o644, "so"), Symlink("./lib64/ld", "../lib/x/so"), File("./sbin/s", 0o755, "s")),
		pkg("base-files", Dir("./usr/", 0o755), Symlink("./lib", "usr/lib"), Symlink("./bin", "usr/bin"), Dir("./usr/bin/", 0o755)))
	for p, target := range map[string]string{"lib": "usr/lib", "bin": "usr/bin", "sbin": "usr/sbin", "lib64": "usr/lib64", "usr/lib64/ld": "../lib/x/so"} {
		if h := s.entries[p]; h == nil || h.Typeflag != tar.TypeSymlink || h.Linkname != target {
			t.Errorf("%s is not a link to %s", p, target)
		}
	}
	if s.content["usr/lib/x/so"] != "so" || s.content["usr/sbin/s"] != "s" {
		t.Error("files were not moved into usr")
	}
	if l := s.content[infoDir+"a.list"]; !strings.Contains(l, "\n/lib/x/so\n") {
		t.Errorf("the list has not the paths as shipped: %q", l)
	}
}

func TestFolderOverLink(t *testing.T) {
	base := pkg("a", Dir("./run/", 0o755), Dir("./var/", 0o755), Symlink("./var/run", "/run"), Symlink("./var/gone", "/nowhere"))
	s := mustWrite(t, Options{}, base, pkg("b", Dir("./var/run/", 0o755)))
	if s.entries["var/run"].Typeflag != tar.TypeSymlink {
		t.Error("a folder took the place of the link to one")
	}
	_, err := write(t, Options{}, base, pkg("b", Dir("./var/gone/", 0o755)))
	wantError(t, err, "b 1.0-1", "var/gone")
}

func TestHardLinks(t *testing.T) {
	s := mustWrite(t, Options{Slim: true}, pkg("a",
		Link("./usr/bin/first", "./usr/bin/real"), File("./usr/bin/real", 0o4755, "content"),
		File("./usr/share/doc/a/manual", 0o644, "kept by its link"), Link("./usr/share/help", "./usr/share/doc/a/manual")))
	real, first := s.entries["usr/bin/real"], s.entries["usr/bin/first"]
	if real.Typeflag != tar.TypeReg || first.Typeflag != tar.TypeLink || first.Linkname != "usr/bin/real" || real.Mode != 0o4755 {
		t.Errorf("links are %+v, %+v", real, first)
	}
	if s.content["usr/share/help"] != "kept by its link" {
		t.Error("a file went with the one of its names that slim drops")
	}
}

func TestMultiArch(t *testing.T) {
	a := with(pkg("l", File("./usr/share/l", 0o644, "same")), "Multi-Arch: same")
	b := a
	b.Arch = "arm64"
	s := mustWrite(t, Options{}, a, b)
	for _, n := range []string{"l:amd64.list", "l:arm64.list"} {
		if !strings.Contains(s.content[infoDir+n], "/usr/share/l\n") {
			t.Errorf("%s does not list the shared file", n)
		}
	}
	b.Entries = []Entry{File("./usr/share/l", 0o644, "diff")}
	_, err := write(t, Options{}, a, b)
	wantError(t, err, "l 1.0-1", "usr/share/l")
}

func TestOwners(t *testing.T) {
	master := pkg("base-passwd", File("./"+passwdMaster, 0o644, "root:*:0:0:\nman:*:6:12:\n"), File("./"+groupMaster, 0o644, "shadow:*:42:\n"))
	named, numbered := File("./n", 0o2755, ""), Dir("./m", 0o755)
	named.Uname, named.Gname = "man", "shadow"
	numbered.Uid, numbered.Gid = 1234, 99
	s := mustWrite(t, Options{}, pkg("a", named, numbered), master)
	if h := s.entries["n"]; h.Uid != 6 || h.Gid != 42 || h.Mode != 0o2755 {
		t.Errorf("n is %d:%d %o", h.Uid, h.Gid, h.Mode)
	}
	if h := s.entries["m"]; h.Uid != 1234 || h.Gid != 99 {
		t.Errorf("m is %d:%d", h.Uid, h.Gid)
	}
}

func TestDiversion(t *testing.T) {
	diverter := script(pkg("d", File("./usr/bin/x", 0o755, "of d")), "preinst",
		"#!/bin/sh\nset -e\nif [ \"$1\" = install ] || [ \"$1\" = upgrade ]; then\n  for f in x y; do\n    dpkg-divert --quiet --add --no-rename --package d --divert \"/usr/bin/$f.orig\" \"/usr/bin/$f\"\n  done\nfi\n")
	s := mustWrite(t, Options{}, diverter, pkg("e", File("./usr/bin/x", 0o755, "of e"), File("./usr/bin/y", 0o755, "y of e")))
	for p, want := range map[string]string{
		"usr/bin/x": "of d", "usr/bin/x.orig": "of e", "usr/bin/y.orig": "y of e", "usr/bin/y": "",
		dpkgDir + "diversions": "/usr/bin/x\n/usr/bin/x.orig\nd\n/usr/bin/y\n/usr/bin/y.orig\nd\n",
		infoDir + "e.list":     "/.\n/usr/bin/x\n/usr/bin/y\n",
	} {
		if s.content[p] != want {
			t.Errorf("%s is %q, want %q", p, s.content[p], want)
		}
	}
	if _, err := write(t, Options{}, script(pkg("d"), "preinst", "#!/bin/sh\ndpkg-divert --add \"$x\"\n")); err == nil {
		t.Error("a diversion of nobody knows what was accepted")
	}
}

func TestDivertCalls(t *testing.T) {
	for name, c := range map[string]struct {
		script string
		want   [][]string
	}{
		"plain":         {"dpkg-divert --add /a", [][]string{{"--add", "/a"}}},
		"continued":     {"dpkg-divert --add \\\n  --divert '/b c' /a || true", [][]string{{"--add", "--divert", "/b c", "/a"}}},
		"test":          {"if test \"$1\" = install -o \"$1\" = upgrade; then\ndpkg-divert /a\nfi", [][]string{{"/a"}}},
		"upgrade first": {"if [ \"$1\" = \"upgrade\" ] || [ \"$1\" = \"install\" ]; then\ndpkg-divert /a\nfi", [][]string{{"/a"}}},
		"case":          {"case \"$1\" in\ninstall|upgrade)\ndpkg-divert /a\n;;\nesac\ndpkg-divert /b", [][]string{{"/a"}, {"/b"}}},
		"other case":    {"case \"$1\" in\nupgrade)\ndpkg-divert /a\n;;\n*)\ndpkg-divert /b\n;;\nesac", [][]string{{"/b"}}},
		"upgrade only":  {"if [ \"$1\" = upgrade ]; then\ndpkg-divert /a\nfi", nil},
		"else":          {"if [ \"$1\" = install ]; then\n:\nelse\ndpkg-divert /a\nfi\ndpkg-divert /b", [][]string{{"/b"}}},
		"condition":     {"if [ \"$1\" = install ]; then\nif [ -e /x ]; then\ndpkg-divert /a\nfi\nfi", nil},
		"function":      {"f() {\ndpkg-divert /a\n}\nfoo", nil},
		"unknown loop":  {"for x in $(ls); do\ndpkg-divert /$x\ndone", nil},
		"nested loops":  {"for x in a b; do\nfor y in c; do\ndpkg-divert /$x/${y}\ndone\ndone", [][]string{{"/a/c"}, {"/b/c"}}},
		"comment":       {"# dpkg-divert /a", nil},
	} {
		t.Run(name, func(t *testing.T) {
			got := divertCalls("#!/bin/sh\nset -e\n" + c.script + "\nexit 0\n")
			if !slices.EqualFunc(got, c.want, slices.Equal[[]string]) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func FuzzDivertCalls(f *testing.F) {
	f.Add("if [ \"$1\" = install ]; then\nfor f in a b; do\ndpkg-divert --add \"/$f\"\ndone\nfi\n")
	f.Fuzz(func(t *testing.T, s string) {
		for _, c := range divertCalls(s) {
			if d, ok, err := parseDivert("p", c); ok && err == nil && (d.from == "" && d.to == "" || strings.Contains(d.to, "../")) {
				t.Errorf("diversion %+v of %q", d, c)
			}
		}
	})
}
