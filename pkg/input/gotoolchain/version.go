package gotoolchain

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/imgbuild/imgbuild/internal/lazyregexp"
)

// maxList limits the list of versions in bytes; in 2026 it has 6 KB.
const maxList = 4 << 20

// release is a released Go version, such as 1.27.3. Since 1.21 there is always
// a third number (https://go.dev/doc/toolchain#version), and older ones are
// not in the module.
type release struct{ major, minor, patch int }

func (r release) String() string { return fmt.Sprintf("%d.%d.%d", r.major, r.minor, r.patch) }

func (r release) series() string { return fmt.Sprintf("%d.%d", r.major, r.minor) }

func (r release) compare(o release) int {
	return cmp.Or(cmp.Compare(r.major, o.major), cmp.Compare(r.minor, o.minor), cmp.Compare(r.patch, o.patch))
}

// offer is one line of the list: a release for a platform.
type offer struct {
	release  release
	platform string // linux/amd64
}

// Release candidates (1.28rc1) and custom builds (1.27.3-bigcorp) do not match.
var offerLine = lazyregexp.New(`^v0\.0\.1-go(\d{1,4})\.(\d{1,4})\.(\d{1,4})\.([a-z0-9]+)-([a-z0-9]+)$`)

// parseList reads the answer to @v/list; lines that are no release are skipped.
func parseList(b []byte) []offer {
	var offers []offer
	for line := range strings.Lines(string(b)) {
		m := offerLine().FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue
		}
		var r release
		for i, n := range []*int{&r.major, &r.minor, &r.patch} {
			*n, _ = strconv.Atoi(m[i+1]) // four digits at most
		}
		offers = append(offers, offer{r, m[4] + "/" + m[5]})
	}
	return offers
}

func list(ctx context.Context, src Source) ([]offer, error) {
	b, err := src.Get(ctx, Archive, Module+"/@v/list", maxList)
	if err != nil {
		return nil, fmt.Errorf("listing Go toolchains: %w", err)
	}
	offers := parseList(b)
	if len(offers) == 0 {
		return nil, fmt.Errorf("listing Go toolchains: the mirror's list has no release of %s", Module)
	}
	return offers, nil
}

// Series returns the series that have a release, such as "1.27", newest first.
func Series(ctx context.Context, src Source) ([]string, error) {
	offers, err := list(ctx, src)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(offers, func(a, b offer) int { return b.release.compare(a.release) })
	var series []string
	for _, o := range offers {
		if s := o.release.series(); !slices.Contains(series, s) {
			series = append(series, s)
		}
	}
	return series, nil
}

// Newest returns the newest release of a series ("1.27", or one release
// "1.27.3") that the mirror has for all the platforms. What the list names does
// not always exist: a mirror may list a version and refuse its zip.
func Newest(ctx context.Context, src Source, series string, platforms []string) (string, error) {
	offers, err := list(ctx, src)
	if err != nil {
		return "", err
	}
	has := map[release]map[string]bool{}
	for _, o := range offers {
		if o.release.series() != series && o.release.String() != series {
			continue
		}
		if has[o.release] == nil {
			has[o.release] = map[string]bool{}
		}
		has[o.release][o.platform] = true
	}
	releases := slices.SortedFunc(maps.Keys(has), func(a, b release) int { return b.compare(a) })
	for _, r := range releases {
		if slices.ContainsFunc(platforms, func(p string) bool { return !has[r][p] }) {
			continue
		}
		ok, err := existAll(ctx, src, r.String(), platforms)
		if err != nil {
			return "", err
		}
		if ok {
			return r.String(), nil
		}
	}
	return "", fmt.Errorf("the Go module mirror has no release of Go %s for all of %s; "+
		"mirrors lag behind by platform: try another mirror, or an older series", series, strings.Join(platforms, ", "))
}

func existAll(ctx context.Context, src Source, version string, platforms []string) (bool, error) {
	for _, p := range platforms {
		ok, err := src.Exists(ctx, Archive, zipPath(version, p))
		if err != nil {
			return false, fmt.Errorf("looking for Go %s for %s: %w", version, p, err)
		}
		if !ok {
			return false, nil
		}
	}
	return true, nil
}
