package main

import (
	"context"
	"strings"

	"github.com/spf13/pflag"

	"github.com/imgbuild/imgbuild/pkg/build"
	"github.com/imgbuild/imgbuild/pkg/layer"
	"github.com/imgbuild/imgbuild/pkg/lock"
)

// defaultPlatform is what Function Compute runs.
const defaultPlatform = "linux/amd64"

// buildFlags are the flags of `imgbuild NAME`.
type buildFlags struct {
	all         bool
	platforms   []string
	compression string
	engine      engineFlags
	out         delivery
}

func (b *buildFlags) register(f *pflag.FlagSet) {
	f.BoolVar(&b.all, "all", false, "every version and variant of NAME")
	f.StringSliceVar(&b.platforms, "platform", []string{defaultPlatform}, "`PLATFORM`[,PLATFORM…] to build; several make one index")
	f.StringVar(&b.compression, "compression", string(layer.Gzip), "how layers are packed, a `METHOD` of gzip, zstd")
	b.engine.register(f)
	b.engine.registerPush(f)
	b.out.register(f)
}

// run builds the images and delivers them.
func (b *buildFlags) run(ctx context.Context, g *global, refs []string, changed func(string) bool) error {
	compression, err := layer.ParseCompression(b.compression)
	if err != nil {
		return usageError{err}
	}
	// What is wrong with the command is said before any work.
	if err := b.engine.check(changed); err != nil {
		return err
	}
	if err := b.out.check(); err != nil {
		return err
	}
	if err := b.engine.checkDelivery(&b.out); err != nil {
		return err
	}
	var wanted []wantedImage
	for _, ref := range refs {
		w, err := b.selectImages(ref)
		if err != nil {
			return err
		}
		wanted = append(wanted, w...)
	}
	if err := b.out.checkNames(namesOf(wanted)); err != nil {
		return err
	}
	s, f, m, err := g.open()
	if err != nil {
		return err
	}
	engine, done, err := b.engine.open(ctx, g, s, f, m, compression, wanted)
	if err != nil {
		return err
	}
	defer done()
	if from, ok := engine.(*build.BuildKit); ok && from.Stay {
		b.out.from = from
	}
	var results []result
	err = g.show(ctx, func(ctx context.Context) error {
		built, err := buildAll(ctx, engine, wanted)
		if err != nil {
			return explain(ctx, f, s, wanted, err)
		}
		results, err = b.out.deliver(ctx, g, s, built)
		if !isCorrupt(err) || b.out.toStdout() { // what went to stdout is not taken back
			return err
		}
		// A blob of the store was damaged and is gone now: make it again.
		if built, err = buildAll(ctx, engine, wanted); err != nil {
			return explain(ctx, f, s, wanted, err)
		}
		results, err = b.out.deliver(ctx, g, s, built)
		return err
	})
	return b.out.print(g, results, err)
}

// wantedImage is one version and variant that was asked for.
type wantedImage struct {
	lock.Selected
	definition *definitionWithLock
}

// platforms are those that were asked for.
func (w wantedImage) platforms() (out []string) {
	for _, p := range w.Platforms {
		out = append(out, p.Platform)
	}
	return out
}

// namesOf are those of the definitions.
func namesOf(wanted []wantedImage) (out []named) {
	for _, w := range wanted {
		out = append(out, named{name: w.definition.Name})
	}
	return out
}

// selectImages finds what one NAME[:TAG] of the command line asks for.
func (b *buildFlags) selectImages(ref string) ([]wantedImage, error) {
	name, tag := splitRef(ref)
	d, err := loadDefinition(name)
	if err != nil {
		return nil, err
	}
	selected, err := lock.Select(d.Definition, d.lock, lock.Query{Tag: tag, All: b.all, Platforms: b.platforms})
	if err != nil {
		return nil, usageError{err}
	}
	var out []wantedImage
	for _, s := range selected {
		out = append(out, wantedImage{Selected: s, definition: d})
	}
	return out, nil
}

// splitRef splits NAME[:TAG]. A path may have a colon only in its last part.
func splitRef(ref string) (name, tag string) {
	i := strings.LastIndexByte(ref, ':')
	if i < 0 || strings.ContainsRune(ref[i:], '/') {
		return ref, ""
	}
	return ref[:i], ref[i+1:]
}

// buildAll builds all images in one go, so that layers they share are made once.
func buildAll(ctx context.Context, engine build.Engine, wanted []wantedImage) ([]finished, error) {
	var requests []build.Request
	for _, w := range wanted {
		for _, p := range w.Platforms {
			requests = append(requests, build.Request{Definition: w.definition.Definition, Lock: w.definition.lock, Image: p})
		}
	}
	images, err := engine.Build(ctx, requests)
	if err != nil {
		return nil, err
	}
	var out []finished
	for _, w := range wanted {
		n := len(w.Platforms)
		f, err := finish(named{name: w.definition.Name, tag: w.Tag, tags: w.Tags}, images[:n], w.platforms())
		if err != nil {
			return nil, err
		}
		f.version, f.variant = w.Version, w.Variant.Name
		images = images[n:]
		out = append(out, f)
	}
	return out, nil
}
