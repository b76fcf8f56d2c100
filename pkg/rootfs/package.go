package rootfs

import (
	"fmt"
	"io"
	"slices"

	"github.com/imgbuild/imgbuild/pkg/deb"
	"github.com/imgbuild/imgbuild/pkg/input/debian"
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
	clauses, err := debian.ParseRelations(u.stanza.Get("Replaces"))
	if err != nil {
		return false, fmt.Errorf("field Replaces of %s: %w", u.Package, err)
	}
	return slices.ContainsFunc(clauses, func(c debian.Clause) bool {
		return slices.ContainsFunc(c, func(r debian.Relation) bool {
			return r.Name == old.Name && (r.Arch == "" || r.Arch == "any" || r.Arch == old.Arch) && r.Accepts(old.Version)
		})
	}), nil
}
