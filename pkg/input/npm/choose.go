package npm

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
)

// Newest returns the newest release of a series ("26", "26.1") that all the
// packages have and whose tarballs the registry really holds: the packages of
// different platforms reach a mirror at different times. Prereleases never
// count, deprecated releases only where the series has no other.
func Newest(ctx context.Context, src Source, packages []string, series string) (string, error) {
	inSeries := func(v *semver.Version) bool {
		return v.Original() == series || strings.HasPrefix(v.Original(), series+".")
	}
	v, err := newestOfAll(ctx, src, packages, func(_ []*Packument, v *semver.Version) bool { return inSeries(v) })
	if err != nil {
		return "", fmt.Errorf("choosing the newest %s of %s: %w", series, strings.Join(packages, ", "), err)
	}
	return v, nil
}

// Latest returns the newest release of all the packages that runs on the
// Node.js of that version, by each package's `engines`, and that is not newer
// than what the first package's author calls latest.
func Latest(ctx context.Context, src Source, packages []string, nodeVersion string) (string, error) {
	node, err := semver.StrictNewVersion(nodeVersion)
	if err != nil {
		return "", fmt.Errorf("version %q of Node.js: %w", nodeVersion, err)
	}
	v, err := newestOfAll(ctx, src, packages, func(ps []*Packument, v *semver.Version) bool {
		latest, err := semver.StrictNewVersion(ps[0].DistTags["latest"])
		if err != nil || v.GreaterThan(latest) {
			return false
		}
		return !slices.ContainsFunc(ps, func(p *Packument) bool {
			return !acceptsNode(p.Versions[v.Original()].Engines.Node, node)
		})
	})
	if err != nil {
		return "", fmt.Errorf("choosing the newest %s for Node.js %s: %w", strings.Join(packages, ", "), nodeVersion, err)
	}
	return v, nil
}

// acceptsNode says whether a range such as "^22.22.2 || >=26.0.0" has the
// version. A range that nobody can read is not met; none is met by all.
func acceptsNode(engines string, node *semver.Version) bool {
	if strings.TrimSpace(engines) == "" {
		return true
	}
	c, err := semver.NewConstraint(engines)
	return err == nil && c.Check(node)
}

var errNoRelease = errors.New("the registry has no such release of all of them; " +
	"mirrors lag behind by platform: try another mirror, or an older series")

func newestOfAll(ctx context.Context, src Source, packages []string, fits func([]*Packument, *semver.Version) bool) (string, error) {
	if len(packages) == 0 {
		return "", errors.New("no package is named")
	}
	var ps []*Packument
	for _, name := range packages {
		p, err := ReadPackument(ctx, src, name)
		if err != nil {
			return "", err
		}
		ps = append(ps, p)
	}
	for _, v := range candidates(ps, fits) {
		ok, err := existAll(ctx, src, packages, v)
		if err != nil {
			return "", err
		}
		if ok {
			return v, nil
		}
	}
	return "", errNoRelease
}

// candidates are the releases of all packages that fit, the best first.
func candidates(ps []*Packument, fits func([]*Packument, *semver.Version) bool) []string {
	type candidate struct {
		v          *semver.Version
		deprecated bool
	}
	var cs []candidate
	for name := range ps[0].Versions {
		c := candidate{}
		everywhere := !slices.ContainsFunc(ps, func(p *Packument) bool {
			r, ok := p.Versions[name]
			c.deprecated = c.deprecated || bool(r.Deprecated)
			return !ok
		})
		v, err := semver.StrictNewVersion(name)
		if !everywhere || err != nil || v.Prerelease() != "" || v.Metadata() != "" || !fits(ps, v) {
			continue
		}
		c.v = v
		cs = append(cs, c)
	}
	slices.SortFunc(cs, func(a, b candidate) int {
		if a.deprecated != b.deprecated {
			if a.deprecated {
				return 1
			}
			return -1
		}
		return b.v.Compare(a.v)
	})
	out := make([]string, len(cs))
	for i, c := range cs {
		out[i] = c.v.Original()
	}
	return out
}

func existAll(ctx context.Context, src Source, packages []string, version string) (bool, error) {
	for _, name := range packages {
		ok, err := src.Exists(ctx, Archive, tarballPath(name, version))
		if err != nil {
			return false, fmt.Errorf("looking for %s %s: %w", name, version, err)
		}
		if !ok {
			return false, nil
		}
	}
	return true, nil
}
