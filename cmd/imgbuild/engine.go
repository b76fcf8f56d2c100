package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/moby/buildkit/session"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/imgbuild/imgbuild/pkg/address"
	"github.com/imgbuild/imgbuild/pkg/build"
	"github.com/imgbuild/imgbuild/pkg/buildkit"
	"github.com/imgbuild/imgbuild/pkg/fetch"
	"github.com/imgbuild/imgbuild/pkg/layer"
	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/mirror"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// Engines, as --engine names them.
const (
	engineNative   = "native"
	engineBuildKit = "buildkit"
)

// engineFlags say who makes the layers.
type engineFlags struct {
	name     string
	builders builderFlags
	mirrors  []string
	programs []string
	cache    cacheFlags
	pushFrom string
}

// Places that images are pushed from, as --push-from names them.
const (
	pushFromHere    = "here"
	pushFromBuilder = "builder"
)

func (e *engineFlags) register(f *pflag.FlagSet) {
	f.StringVar(&e.name, "engine", engineNative, "who makes the layers: native, in this process, or buildkit, on the builders of --buildkit; the digests are the same")
	e.registerBuilders(f)
}

// registerPush registers the flag of commands that push.
func (e *engineFlags) registerPush(f *pflag.FlagSet) {
	f.StringVar(&e.pushFrom, "push-from", pushFromHere, "`PLACE` that --push sends layers from: here, or builder, where they then stay; digests are compared afterwards")
}

// registerBuilders registers the flags of the BuildKit engine alone.
func (e *engineFlags) registerBuilders(f *pflag.FlagSet) {
	e.builders.register(f)
	f.StringArrayVar(&e.mirrors, "builder-mirror", nil, "`ARCHIVE=URL` that builders fetch from, where it is another than this machine's; archives are as for --mirror; may be repeated")
	f.StringArrayVar(&e.programs, "builder-program", nil, "`PATH` of an imgbuild for builders of another platform than this machine's")
	e.cache.register(f)
}

func completeEngine(c *cobra.Command) {
	complete(c, "engine", cobra.FixedCompletions([]string{engineNative, engineBuildKit}, cobra.ShellCompDirectiveNoFileComp))
	if c.Flags().Lookup("push-from") != nil {
		complete(c, "push-from", cobra.FixedCompletions([]string{pushFromHere, pushFromBuilder}, cobra.ShellCompDirectiveNoFileComp))
	}
	completeBuilders(c)
	complete(c, "builder-mirror", cobra.FixedCompletions(archivesCompletion(), begun))
}

// check reads the flags, changed says which were given. Its errors are those of
// usage.
func (e *engineFlags) check(changed func(string) bool) error {
	switch e.name {
	case engineNative:
		for _, flag := range []string{"buildkit", "buildkit-tls", "builder-mirror", "builder-program", "cache-from", "cache-to", "push-from"} {
			if changed(flag) {
				return usage("--%s belongs to --engine buildkit; add that, or leave the flag out", flag)
			}
		}
		return nil
	case engineBuildKit:
		if e.pushFrom != pushFromHere && e.pushFrom != pushFromBuilder && e.pushFrom != "" {
			return usage("--push-from %q: use here or builder", e.pushFrom)
		}
		if _, err := e.builders.check(); err != nil {
			return err
		}
		if err := e.cache.check(); err != nil {
			return err
		}
		return e.cache.outside()
	}
	return usage("unknown engine %q; use native or buildkit", e.name)
}

// open returns the engine that was asked for. The caller closes it after the
// last build.
func (e *engineFlags) open(ctx context.Context, g *global, s *store.Store, f *fetch.Fetcher, m *mirror.Mirrors, c layer.Compression, wanted []wantedImage) (build.Engine, func(), error) {
	in, err := g.inputs(ctx, s, f, m)
	if err != nil {
		return nil, nil, err
	}
	engine, done, err := e.openWith(ctx, g, s, in, c, wanted)
	if err != nil {
		in.close()
		return nil, nil, err
	}
	return engine, func() { done(); in.close() }, nil
}

// openWith is open with inputs that the caller closes, after the engine.
func (e *engineFlags) openWith(ctx context.Context, g *global, s *store.Store, in *inputs, c layer.Compression, wanted []wantedImage) (build.Engine, func(), error) {
	if e.name == engineBuildKit {
		return e.buildKit(ctx, g, s, in, c, wanted)
	}
	n, err := newNative(s, in, c, g.offline, wanted, in.images...)
	if err != nil {
		return nil, nil, err
	}
	return n, func() {}, nil
}

// checkDelivery says whether images can be delivered from where they are made.
func (e *engineFlags) checkDelivery(d *delivery) error {
	if e.pushFrom != pushFromBuilder {
		return nil
	}
	switch {
	case !d.push:
		return usage("--push-from says where --push sends from; add --push and where to")
	case d.plan, d.load, len(d.files) > 0:
		return usage("with --push-from builder no layer comes here; leave --plan, --load and --output out")
	case slices.ContainsFunc(d.targets, address.Registry.IsEmbedded):
		return usage("the embedded registry is on this machine, where no builder reaches it; leave --push-from out")
	}
	return nil
}

// buildKit returns the engine of the builders.
func (e *engineFlags) buildKit(ctx context.Context, g *global, s *store.Store, in *inputs, c layer.Compression, wanted []wantedImage) (_ *build.BuildKit, done func(), err error) {
	golang, err := golangLock(wanted)
	if err != nil {
		return nil, nil, err
	}
	assemblers, err := build.NewAssemblers(e.programs...)
	if err != nil {
		return nil, nil, usage("--builder-program: %w", err)
	}
	mirrors := in.mirrors
	if len(e.mirrors) > 0 {
		if mirrors, err = g.mirrorsWith(e.mirrors, "--builder-mirror"); err != nil {
			return nil, nil, err
		}
	}
	keychain, err := pullKeychain()
	if err != nil {
		return nil, nil, err
	}
	shim, err := build.NewCompiledShim(s, in, golang)
	if err != nil {
		return nil, nil, err
	}
	builders, err := e.builders.dial(ctx, g)
	if err != nil {
		return nil, nil, err
	}
	done = func() {
		for _, b := range builders {
			b.Close()
		}
	}
	return &build.BuildKit{
		Builders: builders, Store: s, Inputs: s, Compression: c, Shim: shim, Golang: golang,
		Mirrors: mirrors, Fetch: in, Send: g.offline, Images: in.images, Assemblers: assemblers,
		Session:   []session.Attachable{buildkit.Credentials(keychain)},
		CacheFrom: e.cache.from, CacheTo: e.cache.to, Stay: e.pushFrom == pushFromBuilder, Keychain: keychain,
		Lost: func(b *buildkit.Builder, err error) {
			g.note("the builder %s is lost, and its share went to the others: %v", b.Address, err)
		},
	}, done, nil
}

// golangLock is that of the golang image inside imgbuild. Reading a lock is
// most of what imgbuild does when nothing has changed, so one that is read
// already is not read again.
func golangLock(wanted []wantedImage) (*lock.Lock, error) {
	for _, w := range wanted {
		if w.definition.Ref == "golang" {
			return w.definition.lock, nil
		}
	}
	d, err := loadDefinition("golang")
	if err != nil {
		return nil, fmt.Errorf("choosing the Go that compiles the shim: %w", err)
	}
	return d.lock, nil
}

// archivesCompletion are the beginnings of ARCHIVE=URL.
func archivesCompletion() []string {
	out := slices.Clone(mirror.Archives())
	for i := range out {
		out[i] += "="
	}
	return out
}
