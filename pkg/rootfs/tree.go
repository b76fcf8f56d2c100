// Package rootfs builds a root file system from Debian packages without
// running a maintainer script: it unpacks as dpkg does, and what the scripts
// would have done is done by effects.
package rootfs

import (
	"archive/tar"
	"io"
	"iter"
)

// Tree is the file system as it stands after all packages are unpacked, as the
// effects see and change it. Paths are clean and without leading slash
// ("usr/lib/os-release"), after usr-merge: "bin/sh" is looked up as
// "usr/bin/sh".
type Tree interface {
	// Lookup returns the entry at path (links are not followed). The header
	// must not be changed.
	Lookup(path string) (*tar.Header, bool)
	// Walk yields all entries under dir ("" for all) in the order of their paths.
	Walk(dir string) iter.Seq[*tar.Header]
	// Open returns the content of a regular file (following links inside the
	// tree) that some effect said it keeps, or that an effect has put.
	Open(path string) (Content, error)
	// Put adds a file, folder or link, or replaces one. For a regular file
	// content is read at once. Missing parents are made 0755 root. The
	// modification time is set by the tree where hdr has none.
	Put(hdr *tar.Header, content io.Reader) error
	// Remove takes an entry away (a folder with all that is in it).
	Remove(path string)
	// Arch is Debian's name of the architecture: amd64, arm64.
	Arch() string
	// Scripts yields the packages' maintainer scripts and their control files
	// (postinst, triggers, conffiles, shlibs, …): package name, file name, text.
	// Installed, in the order the packages were unpacked.
	ControlFiles() iter.Seq[ControlFile]
}

// Content is the content of a file.
type Content interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

// ControlFile is one member of a package's control.tar.
type ControlFile struct {
	Package string
	Name    string
	Text    []byte
}

// Effect is one thing that maintainer scripts would have done.
type Effect interface {
	// Name is shown in messages and in the lock's audit: ld.so.cache.
	Name() string
	// Keep says whether Apply will open the file at path.
	Keep(path string) bool
	// Apply changes the tree. It does nothing where the packages that need it
	// are not installed.
	Apply(t Tree) error
}
