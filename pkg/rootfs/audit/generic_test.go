package audit

import (
	"strings"
	"testing"

	"github.com/imgbuild/imgbuild/pkg/rootfs"
)

const systemdSection = `# Automatically added by dh_installsystemd/13.24.2
if [ "$1" = "configure" ] || [ "$1" = "abort-upgrade" ] ; then
	# was-enabled defaults to true, so new installations run enable.
	if deb-systemd-helper --quiet was-enabled 'x.timer'; then
		deb-systemd-helper enable 'x.timer' >/dev/null || true
	fi
	if [ -d /run/systemd/system ]; then
		systemctl --system daemon-reload >/dev/null || true
		_dh_action=start
		deb-systemd-invoke $_dh_action 'x.timer' >/dev/null || true
	fi
fi
# End automatically added section
`

func TestGenericEffect(t *testing.T) {
	for _, c := range []struct{ name, script, effect, why string }{
		{"empty", "", "none needed: it does nothing", ""},
		{"boilerplate", "set -e\ncase \"$1\" in\n  configure|upgrade)\n  ;;\n  *)\n    echo \"unknown '$1'\" >&2\n    exit 1\n  ;;\nesac\nexit 0\n", "none needed: it does nothing", ""},
		{"systemd", systemdSection, noInit, ""},
		{"two sections", systemdSection + strings.TrimPrefix(mawk, "#!/bin/sh\n"), "alternatives: awk", ""},
		{"menu", "# Automatically added by dh_installmenu/13\nif [ \"$1\" = \"configure\" ] && [ -x \"`command -v update-menus`\" ]; then\n\tupdate-menus\nfi\n# End automatically added section\n", "none needed at build: the menu package is not installed", ""},

		{"a command", "set -e\nadduser x\n", "", "it calls adduser x"},
		{"behind a condition", "[ -z \"$2\" ] && adduser x\n", "", "it calls adduser x"},
		{"a redirection makes a file", ": > /etc/new\n", "", "it calls /etc/new"},
		{"a here-document makes a file", "cat > /etc/new <<EOF\nx\nEOF\n", "", "it calls cat"},
		{"a substitution", "x=$(adduser x)\n", "", "it calls adduser x"},
		{"a quoted substitution", "echo \"$(adduser x)\"\n", "", "it runs a substitution: echo $(adduser x)"},
		{"back quotes", "[ -n \"`adduser x`\" ]\n", "", "it runs a substitution"},
		{"a variable as command", "$tool x\n", "", "it calls what a variable names"},
		{"a variable for a command", "PATH=/tmp true\n", "", "it sets variables for a command"},
		{"command runs", "command adduser x\n", "", "it calls command adduser x"},
		{"sourcing", ". /usr/share/x/functions\n", "", "it reads . /usr/share/x/functions"},
		{"a function", "f() { rm -r /etc; }\n", "", "it calls f"},
		{"an unknown tool", "# Automatically added by dh_installsysusers/13\nsystemd-sysusers x.conf\n# End automatically added section\n", "", "dh_installsysusers is not one"},
		{"a stranger in a section", strings.Replace(systemdSection, "_dh_action=start", "adduser x", 1), "", "the section of dh_installsystemd calls adduser x"},
		{"an open section", "# Automatically added by dh_installmenu/13\nupdate-menus\n", "", "has no end"},
		{"variables in alternatives", "# Automatically added by dh_installalternatives/13\nupdate-alternatives --install /usr/bin/$x x /usr/bin/y 1\n# End automatically added section\n", "", "shell variables"},
	} {
		effect, why := genericEffect([]byte("#!/bin/sh\n" + c.script))
		if effect != c.effect || c.why == "" && why != "" || !strings.Contains(why, c.why) {
			t.Errorf("%s: got %q, %q; want %q, %q", c.name, effect, why, c.effect, c.why)
		}
	}
}

func TestTriggersEffect(t *testing.T) {
	waiting := file("other", "triggers", "interest thing\n")
	for _, c := range []struct {
		text, effect, why string
		others            []rootfs.ControlFile
	}{
		{"activate-noawait ldconfig\n", "ld.so.cache", "", nil},
		{"# none\n", "none needed: it has no triggers", "", nil},
		{"interest-noawait /usr/share/x\n", "recorded: interest in /usr/share/x", "", nil},
		{"activate thing\n", "none needed at build: no package waits for the trigger thing", "", nil},
		{"activate thing\n", "", "it activates the trigger thing, for which other waits", []rootfs.ControlFile{waiting}},
		{"frob thing\n", "", "a line that is not a trigger: frob thing", nil},
	} {
		effect, why := triggersEffect(file("p", "triggers", c.text), namedInterests(c.others))
		if effect != c.effect || c.why == "" && why != "" || !strings.Contains(why, c.why) {
			t.Errorf("%q: got %q, %q; want %q, %q", c.text, effect, why, c.effect, c.why)
		}
	}
}

func FuzzGenericEffect(f *testing.F) {
	f.Add("set -e\nexit 0\n")
	f.Add(systemdSection)
	f.Add(mawk)
	f.Fuzz(func(t *testing.T, script string) {
		// Whatever is recognised, a command put behind it must be found.
		if effect, why := genericEffect([]byte("#!/bin/sh\n" + script + "\n")); why == "" {
			if effect == "" {
				t.Error("recognised, but with no effect")
			}
			if _, why := genericEffect([]byte("#!/bin/sh\nadduser mallory\n" + script + "\n")); why == "" {
				t.Error("a command was overlooked")
			}
		}
	})
}
