package debian

import (
	"fmt"

	"github.com/imgbuild/imgbuild/pkg/lock"
)

// Selected is one version of a package, as an archive's index describes it.
type Selected struct {
	Name    string
	Version string
	// Arch is the package's own: amd64, arm64 or all.
	Arch string
	// Source and SourceVersion name the source package it was built from.
	Source, SourceVersion string
	// Archive is the mirror that has it: debian, debian-security.
	Archive string
	// Suite is where it was listed: trixie, trixie-updates, trixie-security.
	Suite string
	// Path is relative to the archive: pool/main/g/glibc/libc6_2.41-12_amd64.deb.
	Path string
	// Size is the .deb's size in bytes.
	Size int64
	// SHA256 is the .deb's hash, lower-case hex.
	SHA256 string
	// Priority is required, important, standard, optional or extra.
	Priority string
	// Essential is dpkg's flag: packages may rely on it without saying so.
	Essential bool
	// InstalledSize is an estimate by the package's builder, in KiB.
	InstalledSize int64
	// SignedBy are the fingerprints of the keys that signed its suite, sorted.
	SignedBy []string
}

// Input returns the package's file as an input of a lock.
func (s Selected) Input() lock.Input {
	return lock.Input{
		ID:       fmt.Sprintf("deb:%s@%s/%s", s.Name, s.Version, s.Arch),
		Kind:     lock.KindDebian,
		Name:     s.Name,
		Version:  s.Version,
		Archive:  s.Archive,
		Path:     s.Path,
		Size:     s.Size,
		SHA256:   s.SHA256,
		SignedBy: s.SignedBy,
	}
}
