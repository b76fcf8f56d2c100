package frontend

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/containerd/platforms"

	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/mirror"
	"github.com/imgbuild/imgbuild/pkg/strictyaml"
)

// Build arguments that the frontend knows, beside those with the places of
// archives, which are called as imgbuild's environment variables.
const (
	argVersion = "IMGBUILD_VERSION"
	argResult  = "IMGBUILD_RESULT"
)

// Results that can be asked for.
const (
	resultImage = "image"
	resultOCI   = "oci"
)

// defaultPlatform is what Function Compute runs, whatever the builder is.
const defaultPlatform = "linux/amd64"

// options are what a client asks for.
type options struct {
	target, version string
	platforms       []string
	mirrors         *mirror.Mirrors
	layout          bool
}

// arguments are the build arguments that mean something here.
func arguments() []string {
	out := []string{argResult, argVersion}
	for _, a := range mirror.Archives() {
		out = append(out, mirror.Variable(a))
	}
	slices.Sort(out)
	return out
}

func (f *files) options(ctx context.Context) (options, error) {
	o := options{target: f.ui.Target, version: f.ui.BuildArgs[argVersion]}
	for _, p := range f.ui.TargetPlatforms {
		o.platforms = append(o.platforms, platforms.Format(platforms.Normalize(p)))
	}
	if err := f.checkArguments(ctx); err != nil {
		return o, err
	}
	switch r := f.ui.BuildArgs[argResult]; r {
	case "", resultImage:
	case resultOCI:
		o.layout = true
	default:
		return o, fmt.Errorf("--build-arg %s=%s: there are %s and %s", argResult, r, resultImage, resultOCI)
	}
	var err error
	o.mirrors, err = mirrors(ctx, f.ui.BuildArgs)
	return o, err
}

// checkArguments refuses what looks like an argument and is none, and warns of
// others, as docker does.
func (f *files) checkArguments(ctx context.Context) error {
	known := arguments()
	for _, name := range slices.Sorted(maps.Keys(f.ui.BuildArgs)) {
		switch {
		case slices.Contains(known, name):
		case strings.HasPrefix(name, "IMGBUILD_"):
			return fmt.Errorf("--build-arg %s: %s", name, strictyaml.Suggest(name, known, "the arguments are %s", ", "))
		case strings.HasPrefix(name, "BUILDKIT_"), name == "SOURCE_DATE_EPOCH", strings.HasSuffix(strings.ToLower(name), "_proxy"):
			// BuildKit's own, or for whatever there is in a build.
		default:
			f.warn(ctx, fmt.Sprintf("the build argument %s has no meaning for a definition", name))
		}
	}
	return nil
}

// mirrors are the places of archives that the arguments name, else the public
// ones.
func mirrors(ctx context.Context, args map[string]string) (*mirror.Mirrors, error) {
	environ := []string{} // not nil, which is this process's own
	for _, a := range mirror.Archives() {
		environ = append(environ, mirror.Variable(a)+"="+args[mirror.Variable(a)])
	}
	m, err := mirror.New(mirror.Options{Environ: environ})
	if err != nil {
		return nil, fmt.Errorf("--build-arg %w", err)
	}
	for _, a := range mirror.Archives() {
		bases, err := m.Bases(ctx, a)
		if err != nil {
			return nil, err
		}
		for _, b := range bases {
			if err := usable(b); err != nil {
				return nil, fmt.Errorf("--build-arg %s: %w", mirror.Variable(a), err)
			}
		}
	}
	return m, nil
}

// usable says why a builder cannot fetch from a place.
func usable(b mirror.Base) error {
	req, err := http.NewRequest(http.MethodGet, b.URL, nil)
	if err != nil {
		return errors.New("it is no URL")
	}
	b.Authorize(req)
	switch {
	case req.Header.Get("Authorization") != "":
		// BuildKit's own names of secrets for HTTP sources.
		return fmt.Errorf("a URL with a password would be kept in the build's provenance; leave the password out and give --secret id=HTTP_AUTH_HEADER_%s", req.URL.Hostname())
	case req.URL.Scheme == "file":
		return errors.New("a builder has no files of this machine; give a URL with http or https")
	}
	return nil
}

// choose finds the image that is asked for: the target is a variant, the
// version is one as in NAME:TAG.
func (o options) choose(d *definition.Definition, l *lock.Lock) (lock.Selected, error) {
	q := lock.Query{Platforms: o.platforms, Tag: o.version}
	if len(q.Platforms) == 0 {
		q.Platforms = d.Platforms[:1]
		if slices.Contains(d.Platforms, defaultPlatform) {
			q.Platforms = []string{defaultPlatform}
		}
	}
	variant := d.Variant(o.target)
	switch {
	case o.target == "":
	case variant == nil:
		var names []string
		for _, v := range d.Variants {
			names = append(names, v.Name)
		}
		return lock.Selected{}, fmt.Errorf("%s has no target %q; %s", d.Name, o.target, strictyaml.Suggest(o.target, names, "the targets are its variants, %s", ", "))
	case o.version == "":
		q.All = true
	case !strings.HasSuffix(o.version, variant.Suffix):
		q.Tag += variant.Suffix
	}
	found, err := lock.Select(d, l, q)
	if err != nil {
		return lock.Selected{}, err
	}
	for _, s := range found {
		if variant == nil || s.Variant.Name == variant.Name {
			return s, nil
		}
	}
	return lock.Selected{}, fmt.Errorf("%s:%s is not of the target %s; leave one of the two out", d.Name, q.Tag, o.target)
}
