package sbom

import (
	"archive/tar"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/imgbuild/imgbuild/pkg/lock"
)

// builder finds the packages of a tree and gives each file to one of them.
type builder struct {
	ctx     context.Context
	doc     *Document
	tree    *tree
	origins []origin
	options options
	distro  distro

	packages []*entry
	byPURL   map[string]*entry
	owners   map[*node]*entry
	texts    map[string]Text
	// paths are those of all files, sorted: folders are left out.
	paths []string
}

// entry is a package while the document is made.
type entry struct {
	Package
	contains map[*entry]bool
	index    int
}

func newBuilder(ctx context.Context, doc *Document, t *tree, origins []origin, o options) *builder {
	b := &builder{
		ctx: ctx, doc: doc, tree: t, origins: origins, options: o,
		byPURL: map[string]*entry{}, owners: map[*node]*entry{}, texts: map[string]Text{},
	}
	for _, p := range t.paths() {
		if t.nodes[p].kind != tar.TypeDir {
			b.paths = append(b.paths, p)
		}
	}
	b.distro = readDistro(t)
	return b
}

// add returns the package of that purl: p, if there was none.
func (b *builder) add(p Package) *entry {
	if e := b.byPURL[p.PURL]; e != nil {
		if e.Input == nil {
			e.Input = p.Input
		}
		return e
	}
	for _, s := range []*string{&p.License, &p.Supplier, &p.Originator} {
		if *s == "" {
			*s = NoAssertion
		}
	}
	e := &entry{Package: p, contains: map[*entry]bool{}}
	b.packages = append(b.packages, e)
	b.byPURL[p.PURL] = e
	return e
}

// own gives the file at path to the package, if nobody has it yet.
func (b *builder) own(path string, e *entry) {
	n := b.tree.nodes[path]
	if n == nil || n.kind == tar.TypeDir || b.owners[n] != nil {
		return
	}
	b.owners[n] = e
}

// free yields the files that have no owner yet.
func (b *builder) free(yield func(string, *node) bool) {
	for _, p := range b.paths {
		if n := b.tree.nodes[p]; b.owners[n] == nil && !yield(p, n) {
			return
		}
	}
}

// origin is that of the layer in which the file is.
func (b *builder) origin(n *node) origin { return b.origins[n.layer] }

// inputs yields all locked inputs of the image, from the bottom up.
func (b *builder) inputs(yield func(lock.Input) bool) {
	for _, o := range b.origins {
		for _, in := range o.inputs {
			if !yield(in) {
				return
			}
		}
	}
}

func inputOf(in lock.Input) *Input {
	return &Input{ID: in.ID, Archive: in.Archive, Path: in.Path, SHA256: in.SHA256, SignedBy: in.SignedBy}
}

// finish gives what is left to the image and fills the document.
func (b *builder) finish() error {
	root := b.packages[0]
	for _, n := range b.free {
		b.owners[n] = root
	}
	slices.SortFunc(b.packages[1:], func(x, y *entry) int { return cmp.Compare(x.PURL, y.PURL) })
	for i, e := range b.packages {
		e.index = i
	}
	for _, p := range b.paths {
		n := b.tree.nodes[p]
		e := b.owners[n]
		if e == nil {
			return fmt.Errorf("%s belongs to no package", p)
		}
		e.Files++
		e.Size += n.Size
		n.File.Package = e.index
		b.doc.Files = append(b.doc.Files, n.File)
	}
	for _, e := range b.packages {
		for c := range e.contains {
			e.Contains = append(e.Contains, c.index)
		}
		slices.Sort(e.Contains)
		b.doc.Packages = append(b.doc.Packages, e.Package)
	}
	for _, t := range b.texts {
		b.doc.Texts = append(b.doc.Texts, t)
	}
	slices.SortFunc(b.doc.Texts, func(x, y Text) int { return strings.Compare(x.ID, y.ID) })
	return nil
}
