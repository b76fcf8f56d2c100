// Package debian is the input kind for Debian packages: it reads an archive's
// indexes, verified from the OpenPGP signature of InRelease to each .deb's
// SHA-256, and resolves package names to an exact set of packages as apt would.
//
//	InRelease ──signature──▶ Release ──SHA-256──▶ Packages ──SHA-256──▶ .deb
//
// The network and the disk are the caller's (Source, store.Store); the package
// itself opens no connection and no file.
//
// Sources of the facts used here: Debian Policy 4.7 (chapters 5 and 7), the
// manual pages deb-version(7), deb-control(5), and the wiki page
// DebianRepository/Format, by which the archive's layout is defined.
package debian
