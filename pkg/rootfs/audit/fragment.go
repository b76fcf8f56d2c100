package audit

import (
	"slices"
	"strings"

	"github.com/imgbuild/imgbuild/internal/lazyregexp"
	"github.com/imgbuild/imgbuild/pkg/rootfs/effect"
)

// fragment is a section that a debhelper tool generates.
type fragment struct {
	// commands are all that may be called in it.
	commands []string
	// effect says what is done instead.
	effect string
}

const noInit = "none needed at build: no init system runs in an image"

// fragments are debhelper's tools whose sections need no reading. A section
// counts only if it calls nothing but its tool's commands.
var fragments = map[string]fragment{
	"dh_installdeb":          {[]string{"dpkg-maintscript-helper"}, "none needed at build: moves conffiles of older versions"},
	"dh_installsystemd":      {systemd, noInit},
	"dh_systemd_enable":      {systemd, noInit},
	"dh_systemd_start":       {systemd, noInit},
	"dh_installsystemduser":  {systemd, noInit},
	"dh_installinit":         {append([]string{"update-rc.d", "invoke-rc.d", "chmod"}, systemd...), noInit},
	"dh_installtmpfiles":     {[]string{"systemd-tmpfiles"}, "none needed at build: no systemd makes temporary files in an image"},
	"dh_installmenu":         {[]string{"update-menus"}, "none needed at build: the menu package is not installed"},
	"dh_icons":               {[]string{"update-icon-caches"}, "none needed at build: icon caches are made by desktops"},
	"dh_installmodules":      {[]string{"depmod"}, "none needed at build: there is no kernel in an image"},
	"dh_python3":             {python, pythonEffect},
	"dh_pypy":                {python, pythonEffect},
	"dh_makeshlibs":          {[]string{"ldconfig"}, "ld.so.cache"},
	"dh_installdebconf":      {[]string{"db_purge", "db_version"}, debconfEffect},
	"dh_installalternatives": {[]string{"update-alternatives"}, ""},
}

var (
	systemd = []string{"deb-systemd-helper", "deb-systemd-invoke", "systemctl"}
	python  = []string{"py3compile", "pypy3compile"}
)

const (
	pythonEffect  = "none needed at build: Python compiles modules when they are imported"
	debconfEffect = "none needed at build: debconf's questions keep their defaults"
)

var (
	fragmentStart = lazyregexp.New(`^# Automatically added by (dh_\w+)(/\S+)?\s*$`)
	fragmentEnd   = "# End automatically added section"
)

// stripFragments takes the recognised sections out of a script and returns the
// rest with the effects of what was taken; why says which section is not
// recognised.
func stripFragments(text []byte) (rest []byte, effects []string, why string) {
	var out, section strings.Builder
	var tool string
	for line := range strings.Lines(string(text)) {
		switch {
		case tool == "":
			if m := fragmentStart().FindStringSubmatch(line); m != nil {
				tool = m[1]
				section.Reset()
				continue
			}
			out.WriteString(line)
		case strings.TrimSpace(line) == fragmentEnd:
			e, w := fragmentEffect(tool, section.String())
			if w != "" {
				return nil, nil, w
			}
			effects = append(effects, e...)
			tool = ""
		default:
			section.WriteString(line)
		}
	}
	if tool != "" {
		return nil, nil, "the section of " + tool + " has no end"
	}
	return []byte(out.String()), effects, ""
}

func fragmentEffect(tool, section string) (effects []string, why string) {
	f, ok := fragments[tool]
	if !ok {
		return nil, "debhelper's " + tool + " is not one that imgbuild stands in for"
	}
	if w := onlyCalls([]byte(section), f.commands); w != "" {
		return nil, "the section of " + tool + " " + w
	}
	if tool != "dh_installalternatives" {
		return []string{f.effect}, ""
	}
	installs, unread, err := effect.Installs([]byte(section))
	switch {
	case err != nil:
		return nil, err.Error()
	case unread > 0:
		return nil, "it calls update-alternatives with shell variables"
	}
	for _, in := range installs {
		effects = append(effects, "alternatives: "+in.Name)
	}
	return effects, ""
}

// join makes one text of several effects, each named once. "Nothing is needed"
// is left out where something is done.
func join(effects []string) string {
	slices.Sort(effects)
	effects = slices.Compact(effects)
	done := slices.DeleteFunc(slices.Clone(effects), func(e string) bool { return strings.HasPrefix(e, "none needed") })
	if len(done) == 0 {
		done = effects
	}
	return strings.Join(done, "; ")
}
