package main

import (
	"context"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/build"
	"github.com/imgbuild/imgbuild/pkg/fetch"
	"github.com/imgbuild/imgbuild/pkg/function"
	"github.com/imgbuild/imgbuild/pkg/layer"
	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/mirror"
	"github.com/imgbuild/imgbuild/pkg/source"
	"github.com/imgbuild/imgbuild/pkg/store"
	"github.com/imgbuild/imgbuild/pkg/toolbox"
)

// functionBase is the image that a function is put on: one of a definition
// here, or one in a registry.
type functionBase struct {
	image  *wantedImage
	ref    string     // in a registry
	golang *lock.Lock // of the golang image inside imgbuild, whose Go compiles
}

// bases are the definitions of the languages' bases.
var bases = map[function.Kind]string{
	function.Go: "golang", function.Program: "golang", function.Node: "node", function.TypeScript: "typescript",
}

// chooseBase reads --base, or takes the newest slim image of the language.
func chooseBase(a *appFlags, kind function.Kind, dir string) (*functionBase, error) {
	b := &functionBase{}
	ref := a.function.base
	if ref != "" && strings.Contains(ref, "/") && !strings.HasPrefix(ref, ".") && !strings.HasPrefix(ref, "/") {
		if _, err := source.Parse(ref); err != nil {
			return nil, usage("--base: %w; the name of a definition has no slash, and its path begins with ./ or /", err)
		}
		b.ref = ref
	} else if err := b.choose(ref, a.platforms, kind, dir); err != nil {
		return nil, err
	}
	var wanted []wantedImage
	if b.image != nil {
		wanted = []wantedImage{*b.image}
	}
	var err error
	b.golang, err = golangLock(wanted)
	return b, err
}

// choose selects the image of a definition.
func (b *functionBase) choose(ref string, platforms []string, kind function.Kind, dir string) error {
	name, tag := splitRef(ref)
	if ref == "" {
		name = bases[kind]
	}
	d, err := loadDefinition(name)
	if err != nil {
		return err
	}
	q := lock.Query{Tag: tag, All: ref == "", Platforms: platforms}
	selected, err := lock.Select(d.Definition, d.lock, q)
	if err != nil {
		return usageError{err}
	}
	chosen := selected[0]
	if ref == "" {
		if chosen, err = suited(selected, kind, dir); err != nil {
			return err
		}
	}
	b.image = &wantedImage{Selected: chosen, definition: d}
	return nil
}

// suited is the newest slim image that the function asks for.
func suited(all []lock.Selected, kind function.Kind, dir string) (lock.Selected, error) {
	accepts, wish := func(string) bool { return true }, ""
	if kind == function.Node || kind == function.TypeScript {
		var err error
		if accepts, wish, err = function.AcceptsNode(dir); err != nil {
			return lock.Selected{}, err
		}
	}
	var versions []string
	for _, s := range all {
		if s.Variant.Name != slim {
			continue
		}
		if accepts(s.Version) {
			return s, nil
		}
		versions = append(versions, s.Version)
	}
	return lock.Selected{}, usage("%s, and there is %s; change it, or name a base with --base", wish, strings.Join(versions, ", "))
}

// tools are the locked Node.js and its tools for this machine, of the version
// of the base where that is one of ours.
func (b *functionBase) tools(ctx context.Context, s *store.Store, kind function.Kind, f *fetch.Fetcher) (*toolbox.NodeTools, error) {
	d := (*definitionWithLock)(nil)
	version := ""
	if b.image != nil && b.image.definition.Ref == bases[kind] {
		d, version = b.image.definition, b.image.Version
	} else {
		var err error
		if d, err = loadDefinition(bases[kind]); err != nil {
			return nil, err
		}
	}
	all, err := lock.Select(d.Definition, d.lock, lock.Query{All: true, Platforms: []string{toolbox.ThisMachine()}})
	if err != nil {
		return nil, err
	}
	for _, i := range all {
		// The full variant stands before the slim one.
		if version == "" || i.Version == version {
			return toolbox.Node(ctx, s, d.Definition, d.lock, i.Platforms[0], f.All)
		}
	}
	return nil, fmt.Errorf("the lock of %s has no version %s", d.Name, version)
}

// slim is the variant that finished functions run in.
const slim = "slim"

// open makes or finds the base for each platform. done is called when its
// layers are needed no more.
func (b *functionBase) open(ctx context.Context, g *global, platforms []string, s *store.Store, f *fetch.Fetcher, m *mirror.Mirrors) (out []function.Base, done func(), err error) {
	if b.ref != "" {
		return b.pull(ctx, g, platforms, s)
	}
	wanted := []wantedImage{*b.image}
	engine, done, err := g.engine(ctx, s, f, m, layer.Gzip, wanted)
	if err != nil {
		return nil, nil, err
	}
	var requests []build.Request
	for _, p := range b.image.Platforms {
		requests = append(requests, build.Request{Definition: b.image.definition.Definition, Lock: b.image.definition.lock, Image: p})
	}
	images, err := engine.Build(ctx, requests)
	if err != nil {
		done()
		return nil, nil, explain(ctx, f, s, wanted, err)
	}
	for _, img := range images {
		out = append(out, function.Base{Image: img, Name: b.image.definition.Name + ":" + b.image.Tag})
	}
	return out, done, nil
}

// pull opens an image in a registry.
func (b *functionBase) pull(ctx context.Context, g *global, platforms []string, s *store.Store) (out []function.Base, done func(), err error) {
	pull, err := g.pulling()
	if err != nil {
		return nil, nil, err
	}
	name, stop, err := bundleName(ctx, s, b.ref)
	if err != nil {
		return nil, nil, err
	}
	done = stop
	for _, p := range platforms {
		src, err := source.Open(ctx, s, name, p, pull...)
		if err != nil {
			done()
			return nil, nil, fmt.Errorf("--base %s: %w", b.ref, err)
		}
		before := done
		done = func() { src.Close(); before() }
		out = append(out, function.Base{Image: src.Image, Name: b.ref})
	}
	return out, done, nil
}

// tell says what each image is made of, and whether it starts with the shim.
func (b *functionBuild) tell(bases []function.Base, functions []function.Function, images []v1.Image) error {
	for i, base := range bases {
		digest, err := base.Image.Digest()
		if err != nil {
			return err
		}
		file, err := base.Image.ConfigFile()
		if err != nil {
			return err
		}
		size, err := imageSize(images[i])
		if err != nil {
			return err
		}
		name, _, _ := strings.Cut(base.Name, "@")
		line := fmt.Sprintf("%s: FROM %s@%s, %s compressed", b.a.names[0].repository(), name, digest, megabytes(size))
		if len(bases) > 1 {
			line = fmt.Sprintf("%s for %s: FROM %s@%s, %s compressed", b.a.names[0].repository(), b.a.platforms[i], name, digest, megabytes(size))
		}
		var parts []string
		for _, l := range functions[i].Layers {
			n, err := l.Size()
			if err != nil {
				return err
			}
			parts = append(parts, l.Name()+" "+shortSize(n))
		}
		line += fmt.Sprintf(" (%s)", strings.Join(parts, ", "))
		if isShim(file.Config.Entrypoint) {
			b.g.noteOnce("%s, the shim is its entrypoint", line)
			continue
		}
		b.g.noteOnce("%s, the shim is not its entrypoint", line)
		b.g.noteOnce("warning: the base %s does not start with the shim; without it nothing answers Function Compute's calls but what your program does itself: take an image of imgbuild's with --base", base.Name)
	}
	return nil
}

// shortSize is megabytes, or kilobytes of what would be none.
func shortSize(n int64) string {
	if n < 100_000 {
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	}
	return megabytes(n)
}

// imageSize is that of all layers, compressed, in bytes.
func imageSize(img v1.Image) (n int64, err error) {
	layers, err := img.Layers()
	if err != nil {
		return 0, err
	}
	for _, l := range layers {
		size, err := l.Size()
		if err != nil {
			return 0, err
		}
		n += size
	}
	return n, nil
}
