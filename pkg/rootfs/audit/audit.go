// Package audit proves that no maintainer script of a package is forgotten. No
// script is ever run; for each one the audit says what is done instead, or
// fails until someone has read it.
//
// A script is known in one of three ways. What debhelper generates and mere
// boilerplate is recognised (fragment.go, boilerplate.go). Any other script
// must be in the table known.yaml with the hash of its very text, put there by
// someone who read it. The author of a definition may accept further ones.
package audit

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/rootfs"
)

// scripts are the control files that can make dpkg do something
// (deb-preinst(5) and its neighbours, deb-triggers(5), and debconf's config).
var scripts = []string{"config", "postinst", "postrm", "preinst", "prerm", "triggers"}

// Audit says for each maintainer script among files what imgbuild does in its
// place, sorted by package and script; a script that occurs twice with the same
// text is listed once. The error is an *UnknownError if there are scripts that
// nobody has read.
func Audit(files []rootfs.ControlFile, accepted []definition.AcceptedScript) ([]lock.Script, error) {
	interests := namedInterests(files)
	var out []lock.Script
	var unknown []Unknown
	for _, f := range files {
		if !slices.Contains(scripts, f.Name) {
			continue
		}
		s := lock.Script{Package: f.Package, Script: f.Name, SHA256: hash(f.Text)}
		effect, why := effectOf(f, interests)
		if why != "" {
			effect, why = acceptedEffect(s, accepted, why)
		}
		if why != "" {
			unknown = append(unknown, Unknown{s.Package, s.Script, s.SHA256, why})
			continue
		}
		s.Effect = effect
		out = append(out, s)
	}
	if len(unknown) > 0 {
		slices.SortFunc(unknown, func(a, b Unknown) int {
			return cmp.Or(cmp.Compare(a.Package, b.Package), cmp.Compare(a.Script, b.Script), cmp.Compare(a.SHA256, b.SHA256))
		})
		return nil, &UnknownError{slices.Compact(unknown)}
	}
	slices.SortFunc(out, func(a, b lock.Script) int {
		return cmp.Or(cmp.Compare(a.Package, b.Package), cmp.Compare(a.Script, b.Script), cmp.Compare(a.SHA256, b.SHA256))
	})
	return slices.Compact(out), nil
}

// effectOf returns what stands for the script, or why that is not known.
func effectOf(f rootfs.ControlFile, interests map[string][]string) (effect, why string) {
	switch f.Name {
	case "prerm", "postrm":
		return "not run at install", ""
	case "triggers":
		return triggersEffect(f, interests)
	}
	if effect, ok := knownEffect(f); ok {
		return effect, ""
	}
	effect, why = genericEffect(f.Text)
	if why != "" && isKnownPackage(f.Package, f.Name) {
		why = "its text is another than the one that was read; " + why
	}
	return effect, why
}

func acceptedEffect(s lock.Script, accepted []definition.AcceptedScript, why string) (effect, stillWhy string) {
	for _, a := range accepted {
		if a.Package != s.Package || a.Script != s.Script {
			continue
		}
		if strings.EqualFold(a.SHA256, s.SHA256) {
			return "accepted by the definition: " + a.Reason, ""
		}
		why = "the definition accepts another text of it, " + a.SHA256 + "; " + why
	}
	return "", why
}

// Unknown is one script that nobody has read.
type Unknown struct {
	Package, Script, SHA256 string
	// Why says what in it was not recognised.
	Why string
}

// UnknownError lists all scripts that nobody has read.
type UnknownError struct{ Scripts []Unknown }

// Error names every script and says what to do.
func (e *UnknownError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d maintainer scripts are unknown, so what they do might be missing from the image:\n", len(e.Scripts))
	for _, s := range e.Scripts {
		fmt.Fprintf(&b, "  %s %s: %s\n    sha256: %s\n", s.Package, s.Script, s.Why, s.SHA256)
	}
	b.WriteString("read each one (dpkg-deb --ctrl-tarfile PACKAGE.deb); if the image needs nothing of it, add it to the layer's `debian:` in the definition:\n")
	s := e.Scripts[0]
	fmt.Fprintf(&b, "  accept:\n    - package: %s\n      script: %s\n      sha256: %s\n      reason: why nothing is needed", s.Package, s.Script, s.SHA256)
	return b.String()
}
