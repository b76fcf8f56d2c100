package lock

import (
	"fmt"
	"slices"
	"strings"

	"github.com/imgbuild/imgbuild/pkg/definition"
)

// Selected is one version and variant of a definition, with the platforms
// that were asked for.
type Selected struct {
	// Version is the exact version, 1.27.3; Series the one it was chosen for, 1.27.
	Version, Series string
	// Variant is the definition's own; do not change it.
	Variant *definition.Variant
	// Platforms are the locked images, one a platform, in the order asked for.
	Platforms []Image
	// Tags are all tags of the image, the longest first: 1.27.3, 1.27, 1, latest.
	Tags []string
	// Tag is the one to print: the one asked for, else that of the series, 1.27.
	Tag string
}

// Query says which images of a definition are wanted. The zero Query is the
// newest version in the first variant on all platforms of the definition.
type Query struct {
	// Tag selects one version and variant, such as 1.27-slim.
	Tag string
	// All selects every version and variant; Tag is then empty.
	All bool
	// Platforms are the platforms wanted; none means all that the definition has.
	Platforms []string
}

// Select finds the images of d that q asks for, newest version first and
// variants in the order of the definition. A tag or a platform that does not
// exist is an error that lists what there is.
func Select(d *definition.Definition, l *Lock, q Query) ([]Selected, error) {
	if q.All && q.Tag != "" {
		return nil, fmt.Errorf("%s:%s with all versions: a tag and --all exclude each other; leave one of them out", d.Name, q.Tag)
	}
	platforms, err := wanted(d, q.Platforms)
	if err != nil {
		return nil, err
	}
	all, err := selectable(d, l, platforms)
	if err != nil {
		return nil, err
	}
	switch {
	case q.All:
		return all, nil
	case q.Tag == "":
		return all[:1], nil
	}
	for _, s := range all {
		if slices.Contains(s.Tags, q.Tag) {
			s.Tag = q.Tag
			return []Selected{s}, nil
		}
	}
	return nil, unknownTag(d.Name, q.Tag, all)
}

// wanted checks the platforms asked for and drops repeated ones.
func wanted(d *definition.Definition, asked []string) ([]string, error) {
	if len(asked) == 0 {
		return d.Platforms, nil
	}
	var platforms []string
	for _, p := range asked {
		if !slices.Contains(d.Platforms, p) {
			return nil, fmt.Errorf("%s has no platform %q; it has %s", d.Name, p, strings.Join(d.Platforms, ", "))
		}
		if !slices.Contains(platforms, p) {
			platforms = append(platforms, p)
		}
	}
	return platforms, nil
}

// selectable returns all versions and variants.
func selectable(d *definition.Definition, l *Lock, platforms []string) ([]Selected, error) {
	series := map[string]string{}
	var versions []string
	for _, img := range l.Images {
		if _, ok := series[img.Version]; !ok {
			versions = append(versions, img.Version)
			series[img.Version] = img.Series
		}
	}
	slices.SortStableFunc(versions, func(a, b string) int { return definition.CompareVersions(b, a) })
	tags := definition.Tags(versions)
	var all []Selected
	for _, version := range versions {
		for i := range d.Variants {
			variant := &d.Variants[i]
			s := Selected{
				Version: version,
				Series:  series[version],
				Variant: variant,
				Tags:    variant.Tags(tags[version]),
			}
			s.Tag = seriesTag(s)
			for _, p := range platforms {
				img, ok := l.image(version, variant.Name, p)
				if !ok {
					return nil, fmt.Errorf("the lock of %s has no %s %s for %s; run `imgbuild lock %s --update`", d.Name, version, variant.Name, p, d.Name)
				}
				s.Platforms = append(s.Platforms, img)
			}
			all = append(all, s)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("the lock of %s has no images; run `imgbuild lock %s --update`", d.Name, d.Name)
	}
	return all, nil
}

func (l *Lock) image(version, variant, platform string) (Image, bool) {
	for _, img := range l.Images {
		if img.Version == version && img.Variant == variant && img.Platform == platform {
			return img, true
		}
	}
	return Image{}, false
}

// seriesTag is the tag of the image's series, or its longest tag where a newer
// version has taken that one.
func seriesTag(s Selected) string {
	if t := s.Series + s.Variant.Suffix; slices.Contains(s.Tags, t) {
		return t
	}
	return s.Tags[0]
}

func unknownTag(name, tag string, all []Selected) error {
	var tags []string
	for _, s := range all {
		tags = append(tags, s.Tags...)
	}
	hint := ""
	if near := definition.Near(tag, tags); len(near) > 0 {
		hint = fmt.Sprintf("did you mean %s? ", strings.Join(near, " or "))
	}
	return fmt.Errorf("%s has no tag %q; %sit has %s", name, tag, hint, strings.Join(tags, ", "))
}
