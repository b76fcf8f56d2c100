package sbom

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/imgbuild/imgbuild/pkg/lock"
)

// debian adds dpkg's packages and their files.
func (b *builder) debian() error {
	found, err := b.installed()
	if err != nil {
		return err
	}
	locked := map[string]lock.Input{}
	for in := range b.inputs {
		if in.Kind == lock.KindDebian {
			locked[in.Name+"@"+in.Version+in.ID[strings.LastIndexByte(in.ID, '/'):]] = in
		}
	}
	diverted := map[string][]diversion{}
	if n := b.tree.file(dpkgDiversions); n != nil {
		for _, d := range parseDiversions(n.text) {
			diverted[d.from] = append(diverted[d.from], d)
		}
	}
	for _, p := range found {
		if err := b.ctx.Err(); err != nil {
			return err
		}
		in, ok := locked[p.name+"@"+p.version+"/"+p.arch]
		e, err := b.debianPackage(p, in, ok)
		if err != nil {
			return err
		}
		for _, f := range p.paths {
			for _, d := range diverted[f] {
				if d.by != p.name {
					f = d.to
					break
				}
			}
			// Lists have paths as packages ship them: /bin/x for usr/bin/x.
			if real, ok := b.tree.parent(f[1:]); ok {
				b.ownDebian(path.Clean(real), e)
			}
		}
	}
	b.control(found)
	return nil
}

// ownDebian gives the file to the Debian package, unless a later layer of the
// definition's put another in its place.
func (b *builder) ownDebian(p string, e *entry) {
	if n := b.tree.nodes[p]; n != nil {
		if o := b.origin(n); o.layer.Debian != nil || o.base() {
			b.own(p, e)
		}
	}
}

// installed are dpkg's packages, sorted by name.
func (b *builder) installed() ([]installed, error) {
	var all []installed
	if n := b.tree.file(dpkgStatus); n != nil {
		found, err := parseStatus(n.text)
		if err != nil {
			return nil, err
		}
		for _, p := range found {
			p.paths = b.listed(dpkgInfo, p)
			all = append(all, p)
		}
	}
	for _, f := range b.paths {
		if !strings.HasPrefix(f, dpkgStatusDir) || strings.HasSuffix(f, ".md5sums") || b.tree.nodes[f].text == nil {
			continue
		}
		found, err := parseStatus(b.tree.nodes[f].text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f, err)
		}
		for _, p := range found {
			if n := b.tree.file(f + ".md5sums"); n != nil {
				p.paths = parseSums(n.text)
			}
			all = append(all, p)
		}
	}
	slices.SortStableFunc(all, func(x, y installed) int { return cmp.Or(cmp.Compare(x.name, y.name), cmp.Compare(x.arch, y.arch)) })
	return all, nil
}

// listed reads info/NAME.list, or info/NAME:ARCH.list as packages have it that
// several architectures may be installed of.
func (b *builder) listed(dir string, p installed) []string {
	for _, stem := range []string{p.name, p.name + ":" + p.arch} {
		if n := b.tree.file(dir + stem + ".list"); n != nil {
			return parseList(n.text)
		}
	}
	return nil
}

func (b *builder) debianPackage(p installed, in lock.Input, locked bool) (*entry, error) {
	out := Package{
		Kind: KindDebian, Name: p.name, Version: p.version,
		PURL:       p.purl(b.distro),
		Supplier:   b.distro.supplier(),
		Originator: person(p.maintainer),
		Homepage:   p.homepage,
		Source:     cmp.Or(p.source, p.name) + " " + cmp.Or(p.sourceVersion, p.version),
	}
	if locked {
		out.Input = inputOf(in)
	}
	var text []byte
	if n := b.tree.file(docDir + p.name + "/copyright"); n != nil {
		text = n.text
	} else if locked && b.options.open != nil {
		var err error
		if text, err = b.debianCopyright(in); err != nil {
			return nil, fmt.Errorf("the licence of %s: %w", in.ID, err)
		}
	}
	out.License = b.copyright(cmp.Or(p.source, p.name), text)
	return b.inside(out), nil
}

// control gives info/NAME.* to the packages: these are files of theirs, too
// (control.tar of the .deb). What dpkg itself writes there is the lists.
func (b *builder) control(found []installed) {
	byStem := map[string]installed{}
	for _, p := range found {
		byStem[p.name] = p
		byStem[p.name+":"+p.arch] = p
	}
	for f := range b.free {
		if !strings.HasPrefix(f, dpkgInfo) || strings.HasSuffix(f, ".list") {
			continue
		}
		// Names of packages have dots, control files have none in theirs.
		stem := strings.TrimSuffix(f[len(dpkgInfo):], path.Ext(f))
		if p, ok := byStem[stem]; ok {
			b.ownDebian(f, b.byPURL[p.purl(b.distro)])
		}
	}
}

// person is "Person: Name (address)" of "Name <address>" (SPDX 2.3, 7.6).
func person(maintainer string) string {
	name, address, ok := strings.Cut(oneLine(maintainer), "<")
	name, address = strings.TrimSpace(name), strings.TrimRight(address, "> ")
	switch {
	case name == "":
		return NoAssertion
	case !ok || address == "":
		return "Person: " + name
	}
	return "Person: " + name + " (" + address + ")"
}
