package resolve

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/input/gotoolchain"
	"github.com/imgbuild/imgbuild/pkg/input/npm"
)

// versions finds, for each series, the newest version that all platforms of
// the definition have. Mirrors receive the platforms of one release at
// different times, so the newest of one platform may not do.
func (r *Resolver) versions(ctx context.Context, d *definition.Definition) ([]version, error) {
	var out []version
	for _, series := range d.Versions.Series {
		v, err := r.choice.get(fmt.Sprintf("%v %s %s %s %v", d.Versions.Go, d.Versions.NPM, d.Versions.Debian, series, d.Platforms), func() (string, error) {
			switch {
			case d.Versions.Go:
				return gotoolchain.Newest(ctx, r.source, series, d.Platforms)
			case d.Versions.NPM != "":
				return npm.Newest(ctx, r.source, onPlatforms(d, d.Versions.NPM), series)
			case d.Versions.Debian != "":
				return r.debianVersion(ctx, d, series)
			}
			return series, nil
		})
		if err != nil {
			return nil, err
		}
		out = append(out, version{version: v, series: series})
	}
	slices.SortStableFunc(out, func(a, b version) int { return definition.CompareVersions(b.version, a.version) })
	for i := 1; i < len(out); i++ {
		if out[i-1].version == out[i].version {
			return nil, fmt.Errorf("the series %s and %s both come to version %s; keep one", out[i-1].series, out[i].series, out[i].version)
		}
	}
	return out, nil
}

// onPlatforms expands a package's name for every platform, each name once.
func onPlatforms(d *definition.Definition, name string) []string {
	var names []string
	for _, p := range d.Platforms {
		if n := definition.ValuesFor("", "", p).Expand(name); !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	return names
}

// debianVersion is the upstream version (Debian Policy 5.6.12) of the package
// that names the image's version; all platforms must have the same.
func (r *Resolver) debianVersion(ctx context.Context, d *definition.Definition, series string) (string, error) {
	suite := ""
	for _, variant := range d.Variants {
		for _, l := range variant.Layers {
			if l.Debian != nil && suite == "" {
				suite = l.Debian.Suite
			}
		}
	}
	if suite == "" {
		return "", fmt.Errorf("versions come from the Debian package %s, but no layer is of kind debian", d.Versions.Debian)
	}
	found := ""
	for _, p := range d.Platforms {
		a, err := r.archive(ctx, suite, p)
		if err != nil {
			return "", err
		}
		v, ok := a.Version(d.Versions.Debian)
		if !ok {
			return "", fmt.Errorf("suite %s of Debian has for %s no package %s", suite, p, d.Versions.Debian)
		}
		v = upstream(v)
		if found != "" && v != found {
			return "", fmt.Errorf("package %s is at %s for %s but at %s for another platform; wait until the archive has caught up, or leave a platform out", d.Versions.Debian, v, p, found)
		}
		found = v
	}
	if !definition.InSeries(found, series) {
		return "", fmt.Errorf("package %s is at %s, which is not in the series %s", d.Versions.Debian, found, series)
	}
	return found, nil
}

// upstream drops epoch and revision of a Debian version: 1:3.3.8-2 is 3.3.8.
func upstream(v string) string {
	if _, rest, ok := strings.Cut(v, ":"); ok {
		v = rest
	}
	if i := strings.LastIndexByte(v, '-'); i > 0 {
		v = v[:i]
	}
	return v
}
