package rootfs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/imgbuild/imgbuild/pkg/deb"
	"github.com/imgbuild/imgbuild/pkg/layer"
)

// Options say how packages are unpacked.
type Options struct {
	// Below are the packages of the layers below, in their order, that were
	// written with the same options. Only what differs from them is written.
	Below []Package
	// Arch is Debian's name of the architecture: amd64, arm64. Where it is
	// empty it is that of the first package that is not for all.
	Arch string
	// Slim leaves out documentation, manual pages and translations, and writes
	// the configuration of dpkg and apt that Debian's own slim images have.
	Slim bool
	// Minimal is for images without a package manager: more is left out, and
	// of dpkg's database only what scanners read is written.
	Minimal bool
	// Effects are applied in order once all packages are in the tree.
	Effects []Effect
	// Sources is the text of /etc/apt/sources.list.d/debian.sources, or nil.
	Sources []byte
	// Time is the modification time of files that are in no package. The zero
	// Time means the newest of the packages' files.
	Time time.Time
	// TempDir is where unpacked files wait to be written, about as large as
	// the layer uncompressed. Empty means os.TempDir.
	TempDir string
	// Limits bound what a package may unpack to.
	Limits deb.Limits
}

// Result is what Write has done.
type Result struct {
	// Newest is the newest modification time of the packages' files.
	Newest time.Time
	// Files is how many entries were written.
	Files int
	// Conffiles are the paths, with leading slash, of all configuration files
	// of the packages, sorted.
	Conffiles []string
	// Control are the control files of the packages (not of those below).
	Control []ControlFile
}

// Write unpacks pkgs in their order, as dpkg would, applies the effects and
// writes the result to sink: what packages ship in the packages' order, then
// what was generated, by path. The same packages and options give the same
// entries on every machine.
//
// Errors name the package and the path. Nothing is held in memory but headers
// and control files.
func Write(ctx context.Context, sink layer.Sink, pkgs []Package, opt Options) (res Result, err error) {
	if opt.Minimal {
		opt.Slim = true
	}
	var spools []*spool
	defer func() {
		for _, s := range spools {
			err = errors.Join(err, s.Close())
		}
	}()
	for range unpackers + 2 {
		s, err := newSpool(opt.TempDir)
		if err != nil {
			return Result{}, err
		}
		spools = append(spools, s)
	}
	all := slices.Concat(opt.Below, pkgs)
	if err := checkList(all); err != nil {
		return Result{}, err
	}
	if opt.Arch == "" {
		opt.Arch = archOf(all)
	}
	units, err := unpackAll(ctx, all, opt.Limits, spools[2:])
	if err != nil {
		return Result{}, err
	}
	var below *tree
	if len(opt.Below) > 0 {
		if below, err = build(ctx, units[:len(opt.Below)], opt, spools[0]); err != nil {
			return Result{}, fmt.Errorf("the layers below: %w", err)
		}
	}
	t, err := build(ctx, units, opt, spools[1])
	if err != nil {
		return Result{}, err
	}
	res = Result{Newest: newest(units)}
	for _, u := range units[len(opt.Below):] {
		res.Conffiles = append(res.Conffiles, u.conffiles...)
		for _, c := range u.control {
			res.Control = append(res.Control, ControlFile{Package: u.Name, Name: c.Name, Text: c.Text})
		}
	}
	slices.Sort(res.Conffiles)
	res.Files, err = emit(ctx, sink, t, below)
	return res, err
}

// build makes the tree of all packages, with everything generated in it.
func build(ctx context.Context, units []*unpacked, opt Options, s *spool) (*tree, error) {
	at := opt.Time
	if at.IsZero() {
		at = newest(units)
	}
	for _, u := range units {
		u.lost = map[string]bool{}
	}
	t := newTree(opt.Arch, units, at, s)
	ids, err := readIDs(units)
	if err != nil {
		return nil, err
	}
	var div diversions
	for _, u := range units {
		if div, err = div.add(u); err != nil {
			return nil, err
		}
		if err := t.merge(u, ids, div); err != nil {
			return nil, err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	t.ensureMerged()
	if err := t.standardFolders(); err != nil {
		return nil, err
	}
	if err := t.writeDatabase(div, opt.Minimal); err != nil {
		return nil, fmt.Errorf("writing dpkg's database: %w", err)
	}
	if err := t.configure(opt); err != nil {
		return nil, fmt.Errorf("configuring dpkg and apt: %w", err)
	}
	if opt.Slim {
		t.slim(opt.Minimal)
	}
	for _, e := range opt.Effects {
		if err := e.Apply(t); err != nil {
			return nil, fmt.Errorf("effect %s: %w", e.Name(), err)
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	return t, s.flush()
}

// newest returns the newest modification time of the packages' entries.
func newest(units []*unpacked) time.Time {
	at := time.Unix(0, 0)
	for _, u := range units {
		for _, e := range u.entries {
			if e.hdr.ModTime.After(at) {
				at = e.hdr.ModTime
			}
		}
	}
	return at.UTC()
}

// checkList refuses a package that is in the list twice.
func checkList(pkgs []Package) error {
	seen := map[[2]string]bool{}
	for _, p := range pkgs {
		k := [2]string{p.Name, p.Arch}
		if seen[k] {
			return fmt.Errorf("package %s for %s is in the list twice", p.Name, p.Arch)
		}
		seen[k] = true
	}
	return nil
}

func archOf(pkgs []Package) string {
	for _, p := range pkgs {
		if p.Arch != "all" {
			return p.Arch
		}
	}
	return "all"
}
