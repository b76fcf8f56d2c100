package sbom

import (
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// NoAssertion is what a field says where nothing is known (SPDX 2.3, clause
// 7.13: "NOASSERTION").
const NoAssertion = "NOASSERTION"

// Document is the bill of materials of one image of one platform.
type Document struct {
	// Name is the definition's, Version and Variant the image's own.
	Name, Version, Variant string
	// Platform is that of the image: linux/amd64.
	Platform string
	// Digest is that of the image's manifest.
	Digest v1.Hash
	// Created is the image's own: no clock is read.
	Created time.Time
	// Tool names what made the document: imgbuild, or imgbuild-VERSION.
	Tool string

	// Packages has the image itself first, then all that is inside, sorted by
	// purl. Each purl is there once.
	Packages []Package
	// Files are all files but folders, sorted by path.
	Files []File
	// Texts are those of the licences that SPDX has no identifier for, sorted
	// by ID.
	Texts []Text
	// Unpacked is the size of all layers, unpacked, in bytes: what they take
	// on the disk of whoever pulls them, files hidden by later layers
	// included.
	Unpacked int64
}

// Kind says what a package is.
type Kind string

// The kinds of package.
const (
	KindImage  Kind = "image"  // the image itself, or the one it stands on
	KindDebian Kind = "deb"    // a Debian package
	KindNPM    Kind = "npm"    // an npm package
	KindGo     Kind = "go"     // the Go toolchain
	KindModule Kind = "module" // a Go module compiled into a program
	KindGem    Kind = "gem"    // a Ruby gem that another package ships
)

// Package is something with a name, a version and a licence.
type Package struct {
	Kind Kind
	Name string
	// Version may be empty, as for a Go module built from a work tree.
	Version string
	// PURL is the package URL (github.com/package-url/purl-spec).
	PURL string
	// CPE is the name that vulnerability databases use where they know the
	// package under no purl (CPE 2.3 formatted string); else empty.
	CPE string
	// License is an SPDX expression (SPDX 2.3, annex D) or NoAssertion.
	License string
	// Found are the SPDX identifiers of the licences that were recognised in
	// the package's LICENSE file where License was read from it: Node.js's has
	// those of all libraries in it.
	Found []string
	// Supplier and Originator are "Person: …" or "Organization: …" (SPDX 2.3,
	// clauses 7.5 and 7.6), or NoAssertion.
	Supplier, Originator string
	// Homepage is a URL of the project, or empty.
	Homepage string
	// Source is the Debian source package and its version, "glibc 2.41-12".
	Source string
	// Input is the locked file that the package was taken from, nil where the
	// image has it from elsewhere.
	Input *Input
	// Files counts the image's files that belong to the package, Size is the
	// sum of their sizes in bytes.
	Files int
	Size  int64
	// Contains are indexes into Document.Packages: what is inside the package
	// without files of its own, and for an npm package those bundled in it.
	Contains []int
}

// Input is the locked file of a package.
type Input struct {
	ID string
	// Archive is the mirror's name in the lock (debian, npm, go), Path the
	// file's path below it: never a host.
	Archive, Path string
	SHA256        string // lower-case hex
	SignedBy      []string
}

// File is a file of the image.
type File struct {
	// Path has no leading slash.
	Path string
	// Link is the target of a symbolic link, whose hashes are those of this
	// text, as git counts them; empty for all else.
	Link string
	// Size is in bytes; 0 for links and devices.
	Size   int64
	SHA1   [20]byte
	SHA256 [32]byte
	// Package is an index into Document.Packages.
	Package int
}

// Text is a licence without an SPDX identifier (SPDX 2.3, clause 10).
type Text struct {
	// ID begins with LicenseRef-; Name is what the package calls it.
	ID, Name string
	// Text is the licence as found, or the name where there was no text.
	Text string
}

// Root is the image's own package.
func (d *Document) Root() Package { return d.Packages[0] }
