package audit

import (
	"strings"

	"github.com/imgbuild/imgbuild/pkg/rootfs"
)

// triggerEffects are the triggers whose work an effect does.
var triggerEffects = map[string]string{
	"ldconfig":                        "ld.so.cache",
	"update-ca-certificates":          "ca-certificates",
	"update-ca-certificates-fresh":    "ca-certificates",
	"/usr/share/debianutils/shells.d": "shells",
	"man-db":                          "none needed at build: manual pages are left out",
	"/usr/share/man":                  "none needed at build: manual pages are left out",
	"update-initramfs":                "none needed at build: there is no kernel in an image",
	// base-files links /lib32 and its like where a package has /usr/lib32.
	"/usr/lib32": "base-files", "/usr/lib64": "base-files", "/usr/libo32": "base-files", "/usr/libx32": "base-files",
	// libc6 tells running services of its upgrade.
	"libc-upgrade": noInit, "libc-major-upgrade": noInit,
}

// trigger is one line of a triggers file (deb-triggers(5)).
type trigger struct {
	activates bool
	name      string
}

func parseTriggers(text []byte) (triggers []trigger, why string) {
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		w := strings.Fields(line)
		if len(w) == 0 {
			continue
		}
		kind, _, _ := strings.Cut(w[0], "-")
		if len(w) != 2 || kind != "activate" && kind != "interest" {
			return nil, "it has a line that is not a trigger: " + strings.TrimSpace(line)
		}
		triggers = append(triggers, trigger{kind == "activate", w[1]})
	}
	return triggers, ""
}

// namedInterests returns which packages are interested in which trigger.
func namedInterests(files []rootfs.ControlFile) map[string][]string {
	m := map[string][]string{}
	for _, f := range files {
		if f.Name != "triggers" {
			continue
		}
		list, _ := parseTriggers(f.Text) // a bad file is reported by triggersEffect
		for _, t := range list {
			if !t.activates {
				m[t.name] = append(m[t.name], f.Package)
			}
		}
	}
	return m
}

// triggersEffect says what a package's triggers come to. Interest is recorded:
// the postinst that it would call is audited by itself. Activating a trigger
// that nothing does in an effect matters only if an installed package waits
// for it.
func triggersEffect(f rootfs.ControlFile, interests map[string][]string) (effect, why string) {
	list, why := parseTriggers(f.Text)
	if why != "" {
		return "", why
	}
	var effects []string
	for _, t := range list {
		done, known := triggerEffects[t.name]
		switch {
		case known:
			effects = append(effects, done)
		case !t.activates:
			effects = append(effects, "recorded: interest in "+t.name)
		case len(interests[t.name]) > 0:
			return "", "it activates the trigger " + t.name + ", for which " + strings.Join(interests[t.name], ", ") + " waits"
		default:
			effects = append(effects, "none needed at build: no package waits for the trigger "+t.name)
		}
	}
	if len(effects) == 0 {
		return "none needed: it has no triggers", ""
	}
	return join(effects), ""
}
