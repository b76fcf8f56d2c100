package effect

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/imgbuild/imgbuild/pkg/rootfs"
)

const (
	pamConfigs   = "usr/share/pam-configs"
	pamTemplates = "usr/share/pam"
)

// pam makes /etc/pam.d/common-* from the profiles that packages ship, as
// pam-auth-update(8) does on a first install, and the empty files that
// libpam-modules' postinst makes.
type pam struct{}

func (pam) Name() string { return "pam" }

func (pam) Keep(p string) bool { return path.Dir(p) == pamConfigs || path.Dir(p) == pamTemplates }

func (pam) Apply(t rootfs.Tree) error {
	if hasScript(t, "libpam-modules", "postinst") {
		if err := putNew(t, "etc/security/opasswd", 0o600, 0, nil); err != nil {
			return err
		}
		if err := putNew(t, "etc/environment", 0o644, 0, nil); err != nil {
			return err
		}
	}
	if !isFile(t, pamTemplates+"/common-auth") {
		return nil
	}
	profiles, err := pamProfiles(t)
	if err != nil {
		return err
	}
	if err := putFile(t, "var/lib/pam/seen", 0o644, 0, pamSeen(profiles)); err != nil {
		return err
	}
	enabled := pamEnabled(profiles)
	for _, kind := range []string{"auth", "account", "password", "session", "session-noninteractive"} {
		template, err := readFile(t, pamTemplates+"/common-"+kind)
		if err != nil {
			return err
		}
		text, err := pamStack(string(template), kind, enabled)
		if err != nil {
			return fmt.Errorf("common-%s: %w", kind, err)
		}
		if err := putFile(t, "etc/pam.d/common-"+kind, 0o644, 0, text); err != nil {
			return err
		}
		if err := putFile(t, "var/lib/pam/"+kind, 0o644, 0, pamSaved(kind, enabled)); err != nil {
			return err
		}
	}
	return nil
}

func pamProfiles(t rootfs.Tree) ([]pamProfile, error) {
	var profiles []pamProfile
	for hdr := range t.Walk(pamConfigs) {
		p := strings.TrimSuffix(hdr.Name, "/")
		name := path.Base(p)
		if path.Dir(p) != pamConfigs || strings.HasSuffix(name, "~") || !isFile(t, p) {
			continue
		}
		b, err := readFile(t, p)
		if err != nil {
			return nil, err
		}
		profiles = append(profiles, parsePAMProfile(name, string(b)))
	}
	// The order of pam-auth-update: highest priority first, then by name backwards.
	slices.SortFunc(profiles, func(a, b pamProfile) int {
		if a.priority != b.priority {
			return b.priority - a.priority
		}
		return strings.Compare(b.name, a.name)
	})
	return profiles, nil
}

func pamSeen(profiles []pamProfile) []byte {
	var b bytes.Buffer
	for _, p := range profiles {
		b.WriteString(p.name + "\n")
	}
	return b.Bytes()
}

// pamEnabled leaves the profiles that are on by default; of two that conflict
// the first stays.
func pamEnabled(profiles []pamProfile) []pamProfile {
	var out []pamProfile
	for _, p := range profiles {
		if p.fields["Default"] != "yes" {
			continue
		}
		if slices.ContainsFunc(out, func(q pamProfile) bool {
			return slices.Contains(q.conflicts, p.name) || slices.Contains(p.conflicts, q.name)
		}) {
			continue
		}
		out = append(out, p)
	}
	return out
}
