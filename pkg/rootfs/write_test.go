package rootfs

import (
	"archive/tar"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/pkg/deb"
	. "github.com/imgbuild/imgbuild/pkg/deb/debtest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// system is a small system with something of everything.
func system() []Deb {
	base := pkg("base-files", Dir("./root/", 0o700), Dir("./tmp/", 0o1777), Dir("./usr/bin/", 0o755),
		Symlink("./bin", "usr/bin"), Symlink("./lib", "usr/lib"), Dir("./usr/share/man/man1/", 0o755))
	dpkg := script(pkg("dpkg", Dir("./etc/dpkg/dpkg.cfg.d/", 0o755), File("./etc/dpkg/dpkg.cfg", 0o644, "# dpkg\n"), File("./usr/bin/dpkg", 0o755, "ELF")),
		"conffiles", "/etc/dpkg/dpkg.cfg\n/etc/absent\nremove-on-upgrade /etc/old\n")
	apt := with(pkg("apt", Dir("./etc/apt/apt.conf.d/", 0o755), File("./usr/bin/apt", 0o755, "apt"),
		File("./usr/share/doc/apt/copyright", 0o644, "(c)"), File("./usr/share/doc/apt/examples/conf", 0o644, "x"),
		File("./usr/share/man/man1/apt.1.gz", 0o644, "man"), File("./usr/share/man/de/man1/apt.1.gz", 0o644, "man"),
		File("./usr/share/locale/de/LC_MESSAGES/apt.mo", 0o644, "mo"), File("./usr/share/locale/locale.alias", 0o644, "alias"),
		Symlink("./usr/share/doc/libapt", "apt"), Symlink("./usr/share/doc/nowhere", "absent")),
		"Multi-Arch: foreign", "Homepage: https://example.com")
	libc := script(with(pkg("libc6", File("./lib/libc.so.6", 0o755, "libc"), Symlink("./usr/lib/ld.so", "libc.so.6")), "Multi-Arch: same"),
		"triggers", "# comment\nactivate-noawait ldconfig\n")
	bin := script(script(pkg("libc-bin", File("./usr/bin/ldd", 0o755, "ldd"), Link("./usr/bin/ldd2", "./usr/bin/ldd")),
		"triggers", "interest-await ldconfig\ninterest-noawait /usr/lib32 # multilib\n"), "postinst", "#!/bin/sh\nexit 0\n")
	bin.Entries[1].ModTime = Time.Add(48 * time.Hour)
	return []Deb{libc, base, dpkg, apt, bin}
}

func TestGolden(t *testing.T) {
	for name, opt := range map[string]Options{
		"plain":   {},
		"slim":    {Slim: true, Sources: []byte("Types: deb\n")},
		"minimal": {Minimal: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSink()
			p := packages(t, system()...)
			p[0].Auto = true
			opt.TempDir = t.TempDir()
			res, err := Write(t.Context(), s, p, opt)
			if err != nil {
				t.Fatal(err)
			}
			if !res.Newest.Equal(Time.Add(48*time.Hour)) || res.Files != len(s.order) ||
				!slices.Equal(res.Conffiles, []string{"/etc/absent", "/etc/dpkg/dpkg.cfg"}) || len(res.Control) != 9 {
				t.Errorf("result %v %d %v, %d control files", res.Newest, res.Files, res.Conffiles, len(res.Control))
			}
			got := s.listing()
			for _, f := range []string{"status", "triggers/File", "triggers/ldconfig", "info/libc6:amd64.list", "info/dpkg.conffiles"} {
				if c, ok := s.content[dpkgDir+f]; ok {
					got += "\n== " + f + "\n" + c
				}
			}
			golden := filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("differs from %s (write it anew with -update):\n%s", golden, got)
			}
		})
	}
}

// TestDeterministic lets packages finish in all orders.
func TestDeterministic(t *testing.T) {
	want := mustWrite(t, Options{Slim: true}, system()...).listing()
	for i, procs := range []int{1, 2, 16} {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
		p := packages(t, system()...)
		for j := range p {
			open := p[j].Open
			p[j].Open = func() (ReadAtCloser, error) {
				time.Sleep(time.Duration((i+j)%3) * 10 * time.Millisecond)
				return open()
			}
		}
		s := newSink()
		if _, err := Write(t.Context(), s, p, Options{Slim: true, TempDir: t.TempDir()}); err != nil {
			t.Fatal(err)
		}
		if got := s.listing(); got != want {
			t.Errorf("with %d processors the layer differs:\n%s", procs, got)
		}
	}
}

// fake is an effect made of functions.
type fake struct{ apply func(Tree) error }

func (fake) Name() string                  { return "fake" }
func (fake) Keep(path string) bool         { return strings.HasPrefix(path, "usr/bin/") }
func (f fake) Apply(t Tree) error          { return f.apply(t) }
func reg(name string) *tar.Header          { return &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644} }
func effectOf(f func(Tree) error) []Effect { return []Effect{fake{f}} }

// names is an effect that lists the files in usr/bin, and reads them.
func names(t Tree) error {
	var b strings.Builder
	for h := range t.Walk("usr/bin") {
		c, err := t.Open("bin/" + strings.TrimPrefix(h.Name, "usr/bin/"))
		if err != nil {
			return err
		}
		text, err := io.ReadAll(io.NewSectionReader(c, 0, c.Size()))
		if err := errors.Join(err, c.Close()); err != nil {
			return err
		}
		fmt.Fprintf(&b, "%s=%s\n", h.Name, text)
	}
	return t.Put(reg("etc/names"), strings.NewReader(b.String()))
}

func TestBelow(t *testing.T) {
	all := system()
	below := packages(t, all[:4]...)
	above := pkg("tool", File("./usr/bin/tool", 0o755, "tool"), File("./root/.toolrc", 0o600, "rc"), Dir("./tmp/", 0o755))
	above.Entries[1].ModTime = Time.Add(time.Hour)
	opt := Options{Slim: true, Below: below, Effects: effectOf(names)}
	s := mustWrite(t, opt, above)
	want := []string{"usr", "usr/bin", "usr/bin/tool", "root", "root/.toolrc",
		"etc", "etc/names", "var", "var/lib", "var/lib/dpkg", "var/lib/dpkg/info", "var/lib/dpkg/info/tool.list", "var/lib/dpkg/status"}
	if !slices.Equal(s.order, want) {
		t.Errorf("wrote %q, want %q", s.order, want)
	}
	if m := s.entries["root"].Mode; m != 0o700 {
		t.Errorf("root is %o: the folder's mode in the layer below is lost", m)
	}
	if n := s.content["etc/names"]; n != "usr/bin/apt=apt\nusr/bin/dpkg=ELF\nusr/bin/tool=tool\n" {
		t.Errorf("the effect saw %q", n)
	}
	if n := strings.Count(s.content[dpkgDir+"status"], "Package: "); n != 5 {
		t.Errorf("status has %d packages", n)
	}
}

func TestBelowNothingNew(t *testing.T) {
	if s := mustWrite(t, Options{Below: packages(t, system()...), Effects: effectOf(names)}); len(s.order) > 0 {
		t.Errorf("wrote %q", s.order)
	}
}

func TestWhiteout(t *testing.T) {
	s := mustWrite(t, Options{Below: packages(t, pkg("a", File("./opt/a/b", 0o644, "x"), File("./opt/c", 0o644, "y"))),
		Effects: effectOf(func(t Tree) error {
			if _, ok := t.Lookup("usr/b"); ok {
				t.Remove("opt/a")
			}
			return nil
		})}, pkg("b", File("./usr/b", 0o644, "")))
	if _, ok := s.entries["opt/.wh.a"]; !ok || s.entries["opt/a/.wh.b"] != nil {
		t.Errorf("wrote %q", s.order)
	}
}

func TestEffects(t *testing.T) {
	s := mustWrite(t, Options{Effects: effectOf(func(t Tree) error {
		if h, ok := t.Lookup("bin/ldd"); !ok || h.Name != "usr/bin/ldd" {
			return fmt.Errorf("bin/ldd is %v", h)
		}
		c, err := t.Open("usr/lib/ld.so")
		if err != nil {
			return err
		}
		if c.Size() != 4 {
			return fmt.Errorf("size %d", c.Size())
		}
		if err := t.Put(&tar.Header{Typeflag: tar.TypeDir, Name: "root", Mode: 0o750}, nil); err != nil {
			return err
		}
		if err := t.Put(reg("usr/bin/apt"), strings.NewReader("other")); err != nil {
			return err
		}
		if err := t.Put(reg("opt/z/new"), strings.NewReader("new")); err != nil {
			return err
		}
		if c, err = t.Open("opt/z/new"); err != nil || c.Size() != 3 {
			return fmt.Errorf("reading back: %v", err)
		}
		t.Remove("usr/bin/dpkg")
		if err := t.Put(reg("usr"), nil); err == nil {
			return errors.New("a folder that is not empty was replaced")
		}
		if err := t.Put(reg("lib/x"), nil); err != nil {
			return err
		}
		if err := t.Put(reg("usr/lib/ld.so/x"), nil); err == nil {
			return errors.New("written through a link")
		}
		if _, err := t.Open("usr"); err == nil {
			return errors.New("opened a folder")
		}
		if _, err := t.Open("absent"); !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("opening what is absent: %v", err)
		}
		return nil
	})}, system()...)
	if s.entries["root"].Mode != 0o750 || s.content["usr/bin/apt"] != "other" || s.content["opt/z/new"] != "new" || s.entries["usr/bin/dpkg"] != nil || s.entries["usr/lib/x"] == nil {
		t.Errorf("the effect's work is not in the layer:\n%s", s.listing())
	}
	if !s.entries["opt/z/new"].ModTime.Equal(Time.Add(48 * time.Hour)) {
		t.Errorf("what was made has the time %v", s.entries["opt/z/new"].ModTime)
	}
	broken := errors.New("broken")
	if _, err := write(t, Options{Effects: effectOf(func(Tree) error { return broken })}, system()...); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p := packages(t, system()...)
	open := p[2].Open
	p[2].Open = func() (ReadAtCloser, error) { cancel(); return open() }
	if _, err := Write(ctx, newSink(), p, Options{TempDir: t.TempDir()}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestLimits(t *testing.T) {
	_, err := write(t, Options{Limits: deb.Limits{Data: 1 << 16}}, pkg("a", File("./x", 0o644, strings.Repeat("x", 1<<17))))
	if !errors.Is(err, deb.ErrTooLarge) {
		t.Errorf("error %v", err)
	}
	wantError(t, err, "a 1.0-1")
}

func TestReadControl(t *testing.T) {
	got, err := ReadControl(t.Context(), packages(t, system()...))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range got {
		names = append(names, c.Package+"/"+c.Name)
	}
	want := []string{"libc6/control", "libc6/triggers", "base-files/control", "dpkg/control", "dpkg/conffiles", "apt/control", "libc-bin/control", "libc-bin/postinst", "libc-bin/triggers"}
	if !slices.Equal(names, want) {
		t.Errorf("got %q, want %q", names, want)
	}
}
