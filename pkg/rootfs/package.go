package rootfs

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/imgbuild/imgbuild/pkg/deb"
	debversion "github.com/knqyf263/go-deb-version"
)

// ReadAtCloser is an open .deb.
type ReadAtCloser interface {
	io.ReaderAt
	io.Closer
}

// Package is one .deb to unpack.
type Package struct {
	// Name, Version and Arch (amd64, arm64, all) must be those in the file.
	Name, Version, Arch string
	// Auto marks the package as installed only because another needs it, so
	// that `apt-get autoremove` may take it away.
	Auto bool
	// Open opens the file. It is called late, and the result always closed.
	Open func() (ReadAtCloser, error)
}

// String is the package as messages name it.
func (p Package) String() string { return p.Name + " " + p.Version }

// unpacked is a package whose contents are in the spool.
type unpacked struct {
	Package
	stanza  deb.Stanza
	control []deb.ControlFile
	entries []*entry
	// paths are the paths the package's info/*.list has, as shipped, without
	// those that a later package took over.
	lost map[string]bool
	// conffiles are the lines of the control file conffiles without flags.
	conffiles []string
}

// sameArch says whether the package can be installed for several
// architectures at once, so that dpkg files it as name:arch.
func (u *unpacked) sameArch() bool { return u.stanza.Get("Multi-Arch") == "same" }

// infoName is the stem of the package's files in /var/lib/dpkg/info, and how
// the trigger files name it.
func (u *unpacked) infoName() string {
	if u.sameArch() {
		return u.Name + ":" + u.Arch
	}
	return u.Name
}

// controlText returns the control file called name, or nil.
func (u *unpacked) controlText(name string) []byte {
	i := slices.IndexFunc(u.control, func(c deb.ControlFile) bool { return c.Name == name })
	if i < 0 {
		return nil
	}
	return u.control[i].Text
}

// replaces says whether u may overwrite files of old (deb-control(5),
// Replaces). dpkg does not look at Provides here, nor do we.
func (u *unpacked) replaces(old *unpacked) (bool, error) {
	for rel := range strings.SplitSeq(u.stanza.Get("Replaces"), ",") {
		name, constraint, _ := strings.Cut(strings.TrimSpace(rel), "(")
		name, arch, _ := strings.Cut(strings.TrimSpace(name), ":")
		if name != old.Name || arch != "" && arch != "any" && arch != old.Arch {
			continue
		}
		ok, err := satisfies(old.Version, strings.TrimSuffix(strings.TrimSpace(constraint), ")"))
		if err != nil {
			return false, fmt.Errorf("field Replaces of %s: %w", u.Package, err)
		}
		if ok {
			return true, nil
		}
	}
	return false, nil
}

// satisfies compares a version with a constraint such as "<< 1.2-3"; an empty
// constraint is always satisfied.
func satisfies(version, constraint string) (bool, error) {
	if constraint == "" {
		return true, nil
	}
	i := strings.IndexFunc(constraint, func(r rune) bool { return !strings.ContainsRune("<>=", r) })
	if i <= 0 {
		return false, fmt.Errorf("constraint %q is malformed", constraint)
	}
	want, err := debversion.NewVersion(strings.TrimSpace(constraint[i:]))
	if err != nil {
		return false, err
	}
	have, err := debversion.NewVersion(version)
	if err != nil {
		return false, err
	}
	c := have.Compare(want)
	switch constraint[:i] {
	case "<<":
		return c < 0, nil
	case "<=", "<": // "<" is an old spelling of "<="
		return c <= 0, nil
	case "=":
		return c == 0, nil
	case ">=", ">":
		return c >= 0, nil
	case ">>":
		return c > 0, nil
	}
	return false, fmt.Errorf("constraint %q is malformed", constraint)
}
