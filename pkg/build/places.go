package build

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/moby/buildkit/client"

	"github.com/imgbuild/imgbuild/pkg/buildkit"
	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/mirror"
)

// mirrorSecret is the name of the secret with the credentials of an archive's
// mirror, of which the n-th is tried.
func mirrorSecret(archive string, n int) string {
	return fmt.Sprintf("imgbuild-mirror-%s-%d", archive, n)
}

// errNoMirror is an archive that no builder can fetch from.
var errNoMirror = errors.New("builders have no mirror for it")

// places says where a builder finds inputs, when it has failed try times. It is
// nil where there is no other place to try.
func places(ctx context.Context, m *mirror.Mirrors, try int) (func(lock.Input) (url, secret string, err error), error) {
	all, most := map[string][]mirror.Base{}, 0
	for _, archive := range mirror.Archives() {
		bases, err := reachable(ctx, m, archive)
		if err != nil {
			return nil, err
		}
		all[archive], most = bases, max(most, len(bases))
	}
	if try >= most {
		return nil, nil
	}
	return func(in lock.Input) (string, string, error) {
		bases := all[in.Archive]
		if len(bases) == 0 {
			return "", "", errNoMirror
		}
		n := min(try, len(bases)-1)
		url, err := bases[n].Join(in.Path)
		if err != nil {
			return "", "", err
		}
		header, err := authorization(bases[n], url)
		if header == "" || err != nil {
			return url, "", err
		}
		return url, mirrorSecret(in.Archive, n), nil
	}, nil
}

// reachable are the mirrors of an archive that builders can use: a folder of this
// machine is nothing to them.
func reachable(ctx context.Context, m *mirror.Mirrors, archive string) ([]mirror.Base, error) {
	bases, err := m.Bases(ctx, archive)
	return slices.DeleteFunc(slices.Clone(bases), func(b mirror.Base) bool { return strings.HasPrefix(b.URL, "file:") }), err
}

// secrets are the credentials of the mirrors: a session carries them to the
// builder, which keeps them in no step and no cache.
func (e *BuildKit) secrets(ctx context.Context) (map[string][]byte, error) {
	out := map[string][]byte{}
	for _, archive := range mirror.Archives() {
		bases, err := reachable(ctx, e.Mirrors, archive)
		if err != nil {
			return nil, err
		}
		for n, b := range bases {
			header, err := authorization(b, b.URL)
			if err != nil {
				return nil, err
			}
			if header != "" {
				out[mirrorSecret(archive, n)] = []byte(header)
			}
		}
	}
	return out, nil
}

// authorization is the header with a mirror's credentials, "" for none.
func authorization(b mirror.Base, url string) (string, error) {
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	b.Authorize(req)
	return req.Header.Get("Authorization"), nil
}

// fetchFailed says whether a build failed because the builder could not fetch
// an input.
func (s *building) fetchFailed(err error) bool {
	failed, ok := errors.AsType[*buildkit.StepError](s.watch.Explain(err))
	return ok && strings.HasPrefix(failed.Name, fetchTitle)
}

// shares are cache entries for this builder, one of several: each leaves its
// share under a name of its own, and all read all of them.
func (s *building) shares(entries []client.CacheOptionsEntry, read bool) []client.CacheOptionsEntry {
	var out []client.CacheOptionsEntry
	for _, c := range entries {
		for n, b := range s.Builders {
			if !read && b != s.builder {
				continue
			}
			share := client.CacheOptionsEntry{Type: c.Type, Attrs: maps.Clone(c.Attrs)}
			if n > 0 {
				rename(share, fmt.Sprintf("-%d", n+1))
			}
			out = append(out, share)
		}
	}
	return out
}

// nameless is what BuildKit calls a cache that was given no name, in the types
// that have one (its cache/remotecache).
const nameless = "buildkit"

// rename adds a suffix to what names a cache of its type.
func rename(c client.CacheOptionsEntry, suffix string) {
	switch c.Type {
	case "s3", "azblob":
		var names []string // they may have several
		for name := range strings.SplitSeq(cmp.Or(c.Attrs["name"], nameless), ";") {
			names = append(names, name+suffix)
		}
		c.Attrs["name"] = strings.Join(names, ";")
	case "gha":
		c.Attrs["scope"] = cmp.Or(c.Attrs["scope"], nameless) + suffix
	default:
		for _, key := range []string{"ref", "dest", "src"} {
			if c.Attrs[key] != "" {
				c.Attrs[key] += suffix
			}
		}
	}
}
