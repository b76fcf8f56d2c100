package sbom

import (
	"runtime/debug"
	"strings"
)

// modules adds what Go programs say they were compiled from: the standard
// library, the main module and its dependencies. They are inside the package
// that the program belongs to.
func (b *builder) modules() error {
	count := 0
	for _, p := range b.paths {
		n := b.tree.nodes[p]
		if n.built == nil {
			continue
		}
		if count += len(n.built.Modules) + 1; count > maxModules {
			return errTooLarge
		}
		owner := b.owners[n]
		if owner == nil {
			owner = b.packages[0]
		}
		b.within(owner, standardLibrary(n.built.Go))
		for _, m := range n.built.Modules {
			b.within(owner, moduleOf(m))
		}
	}
	return nil
}

// within adds a package without files of its own that is inside owner.
func (b *builder) within(owner *entry, p Package) {
	if e := b.add(p); e != owner {
		owner.contains[e] = true
	}
}

// standardLibrary is the module under which the Go vulnerability database has
// the standard library (go.dev/doc/security/vuln/database, "stdlib"). Its
// licence is that of Go (go.dev/LICENSE).
func standardLibrary(version string) Package {
	version, _, _ = strings.Cut(version, " ") // go1.27.3 X:experiment
	version = oneLine(version)
	return Package{
		Kind: KindModule, Name: "stdlib", Version: version,
		PURL:     modulePURL("stdlib", strings.TrimPrefix(version, "go")),
		License:  "BSD-3-Clause",
		Supplier: "Organization: The Go Authors",
		Homepage: "https://go.dev",
	}
}

// moduleOf is a module as build information has it. Its licence is in its
// source, which a program does not have.
func moduleOf(m debug.Module) Package {
	path, version := oneLine(m.Path), oneLine(m.Version)
	if version == "(devel)" {
		version = "" // built from a work tree
	}
	return Package{Kind: KindModule, Name: path, Version: version, PURL: modulePURL(path, version)}
}
