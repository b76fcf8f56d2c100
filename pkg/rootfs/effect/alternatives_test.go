package effect

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const postinst = `#!/bin/sh
# it's a comment with a quote, and one that ends in a backslash \
set -e
cat <<EOF
update-alternatives --install /usr/bin/no no /usr/bin/no 1
don't
EOF
ua() {
	update-alternatives --install "$DPKG_ROOT/usr/bin/pager" 'pager' /bin/more 50 \
		--slave /usr/share/man/man1/pager.1.gz pager.1.gz \
			/usr/share/man/man1/more.1.gz || true
}
if [ "$1" = configure ]; then update-alternatives --quiet --install /usr/bin/x x /usr/bin/x1 -5; fi
update-alternatives --remove-all old 2>/dev/null
for i in vi ex; do update-alternatives --install /usr/bin/$i $i /usr/bin/vim 1; done
`

func TestInstalls(t *testing.T) {
	got, unread, err := Installs([]byte(postinst))
	if err != nil {
		t.Fatal(err)
	}
	want := []Install{
		{Link: "/usr/bin/pager", Name: "pager", Path: "/bin/more", Priority: 50, Slaves: []Slave{
			{Link: "/usr/share/man/man1/pager.1.gz", Name: "pager.1.gz", Path: "/usr/share/man/man1/more.1.gz"}}},
		{Link: "/usr/bin/x", Name: "x", Path: "/usr/bin/x1", Priority: -5},
	}
	if d := cmp.Diff(want, got); d != "" || unread != 1 {
		t.Errorf("%d unread, want 1 (-want +got)\n%s", unread, d)
	}
}

func TestInstallsRefuses(t *testing.T) {
	for _, call := range []string{
		"--install /usr/bin/x x /usr/bin/y", "--install /usr/bin/x x /usr/bin/y high",
		"--install usr/bin/x x /usr/bin/y 1", "--install /usr/../x x /usr/bin/y 1",
		"--install /usr/bin/x ../../x /usr/bin/y 1", "--install /usr/bin/x x '/usr/bin/y\nz' 1",
		"--slave /a b /c", "--install /a b /c 1 --slave /d e", "--root / --install /a b /c 1",
	} {
		if in, _, err := Installs([]byte("update-alternatives " + call + "\n")); err == nil {
			t.Errorf("%s gave %+v", call, in)
		}
	}
}

func TestAlternatives(t *testing.T) {
	m := newMemTree("amd64").
		link("bin", "usr/bin").file("usr/bin/more", "").file("usr/bin/less", "").file("usr/bin/real", "").file("usr/bin/x", "").
		file("usr/share/man/man1/less.1.gz", "").
		script("util-linux", "postinst", "update-alternatives --install /usr/bin/pager pager /bin/more 50 --slave /usr/share/man/man1/pager.1.gz pager.1.gz /usr/share/man/man1/more.1.gz\n").
		script("less", "postinst", "update-alternatives --install /bin/pager pager /usr/bin/less 77 --slave /usr/share/man/man1/pager.1.gz pager.1.gz /usr/share/man/man1/less.1.gz --slave /usr/bin/extra extra /usr/bin/none\n").
		script("bash", "postinst", "update-alternatives --install /usr/share/man/man7/b.7.gz b.7.gz /usr/share/man/man7/none.7.gz 10\n").
		script("x", "postinst", "update-alternatives --install /usr/bin/real real /usr/bin/x 1\n").
		script("y", "prerm", "update-alternatives --install /usr/bin/y y /usr/bin/x 1\n")
	if err := (alternatives{}).Apply(m); err != nil {
		t.Fatal(err)
	}
	for p, want := range map[string]string{
		"usr/bin/pager":                    "→ /etc/alternatives/pager",
		"etc/alternatives/pager":           "→ /usr/bin/less",
		"usr/share/man/man1/pager.1.gz":    "→ /etc/alternatives/pager.1.gz",
		"etc/alternatives/pager.1.gz":      "→ /usr/share/man/man1/less.1.gz",
		"etc/alternatives/extra":           "(nothing)", // its file is not installed
		"usr/bin/extra":                    "(nothing)",
		"var/lib/dpkg/alternatives/b.7.gz": "(nothing)", // the manual page was left out
		"usr/bin/real":                     "",          // a real file stays
		"var/lib/dpkg/alternatives/y":      "(nothing)", // not a postinst
		"var/lib/dpkg/alternatives/pager": strings.Join([]string{
			"auto", "/bin/pager", "extra", "/usr/bin/extra", "pager.1.gz", "/usr/share/man/man1/pager.1.gz", "",
			"/bin/more", "50", "", "/usr/share/man/man1/more.1.gz",
			"/usr/bin/less", "77", "/usr/bin/none", "/usr/share/man/man1/less.1.gz", "", ""}, "\n"),
	} {
		if got := m.text(p); got != want {
			t.Errorf("%s: got %q, want %q", p, got, want)
		}
	}
}

func FuzzInstalls(f *testing.F) {
	f.Add(postinst)
	f.Add("update-alternatives --install /a b /c 1 --slave /d e /f\n")
	f.Add("update-alternatives --install '/a b' \"c\" /d\\ e 1 << X\nX\n")
	f.Fuzz(func(t *testing.T, script string) {
		installs, _, err := Installs([]byte(script))
		if err != nil {
			return
		}
		for _, in := range installs {
			if err := checkNames(in.Link, in.Name, in.Path); err != nil {
				t.Error(err)
			}
		}
		// A call behind whatever is in the script must be found, unless the
		// script leaves a quote or a here-document open.
		const call = "update-alternatives --install /usr/bin/last last /usr/bin/l 1\n"
		if strings.ContainsAny(script, "'\"\\<`$") {
			return
		}
		more, _, err := Installs([]byte(script + "\n" + call))
		if err != nil || len(more) != len(installs)+1 {
			t.Errorf("a call behind %q was overlooked (%v)", script, err)
		}
	})
}
