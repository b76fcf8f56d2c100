package release

import (
	"fmt"
	"slices"
	"strings"

	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/lock"
)

// Item is one version and variant of the release.
type Item struct {
	lock.Selected
	Definition *definition.Loaded
	Lock       *lock.Lock
	lockFile   []byte // the bytes of Lock
}

// String is NAME:TAG.
func (i *Item) String() string { return i.Definition.Name + ":" + i.Tag }

// platformNames are those of the image, in their order.
func (i *Item) platformNames() []string {
	var names []string
	for _, p := range i.Platforms {
		names = append(names, p.Platform)
	}
	return names
}

// Select reads the definitions and locks that c names, with paths relative to
// folder, and finds the images. Its errors are about what is written.
func Select(folder string, c *Config) ([]*Item, error) {
	var all []*Item
	loaded := map[string]*Item{} // by definition: most of the work is reading locks
	owner := map[string]string{} // of NAME:TAG
	for _, wanted := range c.Images {
		one, ok := loaded[wanted.Definition]
		if !ok {
			var err error
			if one, err = load(folder, wanted.Definition); err != nil {
				return nil, err
			}
			loaded[wanted.Definition] = one
		}
		found, err := lock.Select(one.Definition.Definition, one.Lock, lock.Query{All: true, Platforms: wanted.Platforms})
		if err != nil {
			return nil, err
		}
		if found, err = wanted.filter(one.Definition.Definition, found); err != nil {
			return nil, err
		}
		for _, s := range found {
			i := &Item{Selected: s, Definition: one.Definition, Lock: one.Lock, lockFile: one.lockFile}
			for _, tag := range s.Tags {
				name := i.Definition.Name + ":" + tag
				if other, taken := owner[name]; taken {
					return nil, fmt.Errorf("%s is in the release twice: from %s and from %s; leave one of them out", name, other, wanted.Definition)
				}
				owner[name] = wanted.Definition
			}
			all = append(all, i)
		}
	}
	for _, p := range c.Prove.Platforms {
		if !slices.ContainsFunc(all, func(i *Item) bool { return i.isFor(p) }) {
			return nil, fmt.Errorf("prove asks for %s, and no image of the release is for it; add it to an image's platforms, or take it out of prove", p)
		}
	}
	return all, nil
}

func (i *Item) isFor(platform string) bool {
	return slices.ContainsFunc(i.Platforms, func(p lock.Image) bool { return p.Platform == platform })
}

// Names are those of the definitions, each once.
func Names(items []*Item) []string {
	names := each(items, func(i *Item) string { return i.Definition.Name })
	slices.Sort(names)
	return slices.Compact(names)
}

// load reads a definition and its lock.
func load(folder, ref string) (*Item, error) {
	if isPath(ref) {
		ref = in(folder, ref)
		if !isPath(ref) {
			ref = "./" + ref // a folder may be called like an image inside imgbuild
		}
	}
	d, err := definition.Load(ref)
	if err != nil {
		return nil, err
	}
	l, err := lock.Load(d)
	if err != nil {
		return nil, err
	}
	file, err := d.ReadLock()
	return &Item{Definition: d, Lock: l, lockFile: file}, err
}

// filter takes those of the versions and variants that are wanted.
func (w Images) filter(d *definition.Definition, all []lock.Selected) ([]lock.Selected, error) {
	for _, v := range w.Variants {
		if d.Variant(v) == nil {
			return nil, unknown(d.Name+" has no variant", v, each(d.Variants, func(v definition.Variant) string { return v.Name }))
		}
	}
	var versions []string
	for _, s := range all {
		versions = append(versions, s.Version, s.Series)
	}
	for _, v := range w.Versions {
		if !slices.Contains(versions, v) {
			slices.Sort(versions)
			return nil, unknown(d.Name+" has no version", v, slices.Compact(versions))
		}
	}
	newest := all[0].Version
	return slices.DeleteFunc(all, func(s lock.Selected) bool {
		switch {
		case len(w.Variants) > 0 && !slices.Contains(w.Variants, s.Variant.Name):
			return true
		case w.All:
			return false
		case len(w.Versions) > 0:
			return !slices.Contains(w.Versions, s.Version) && !slices.Contains(w.Versions, s.Series)
		}
		return s.Version != newest
	}), nil
}

func unknown(what, got string, known []string) error {
	if near := definition.Near(got, known); len(near) > 0 {
		return fmt.Errorf("%s %q; did you mean %s?", what, got, strings.Join(near, " or "))
	}
	return fmt.Errorf("%s %q; it has %s", what, got, strings.Join(known, ", "))
}

func each[T, U any](in []T, f func(T) U) []U {
	var out []U
	for _, x := range in {
		out = append(out, f(x))
	}
	return out
}
