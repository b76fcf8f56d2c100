package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/imgbuild/imgbuild/pkg/build"
	"github.com/imgbuild/imgbuild/pkg/catalogue"
	"github.com/imgbuild/imgbuild/pkg/input/image"
	"github.com/imgbuild/imgbuild/pkg/layer"
	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/prove"
	"github.com/imgbuild/imgbuild/pkg/push"
	"github.com/imgbuild/imgbuild/pkg/release"
	"github.com/imgbuild/imgbuild/pkg/sign"
	"github.com/imgbuild/imgbuild/pkg/store"
)

const releaseLong = `Publishes the images of a release.yaml to all of its registries, whole or not at
all: builds them, proves each by booting it, lists what is inside, pushes
everything by digest to every registry, signs it there, and when every registry
has all of it moves the tags. Then it writes the report and the catalogue page.

Where a registry fails, the others get the content, but no tag moves anywhere.
Where an image is not proven, nothing is pushed. The same command again does
only what is missing, and nothing where nothing is.

Standard output gets a reference a line, NAME:TAG@DIGEST, for each image and
registry; with --json it gets the report, as in release.json. What changed since
the release before goes to standard error.`

const releaseExample = `  imgbuild release
  imgbuild release --config team/release.yaml --plan
  imgbuild release --key env:SIGNING_KEY --json`

// releasing is what `imgbuild release` was asked for.
type releasing struct {
	config string
	key    string
	plan   bool
	engine engineFlags
}

func newRelease(g *global) *cobra.Command {
	r := &releasing{}
	c := &cobra.Command{
		Use:     "release",
		Short:   "Build, prove, sign and publish all images of a release.yaml",
		Long:    releaseLong,
		Example: releaseExample,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := r.engine.check(cmd.Flags().Changed); err != nil {
				return err
			}
			return r.run(cmd.Context(), g)
		},
	}
	c.Flags().StringVar(&r.config, "config", release.FileName, "`FILE` that says what is released where")
	c.Flags().StringVar(&r.key, "key", "", "private `KEY` to sign with, in place of the file's: a PEM file, env:NAME, or command:CMD")
	c.Flags().BoolVar(&r.plan, "plan", false, "say what would be done, and send and sign nothing")
	r.engine.register(c.Flags())
	completeEngine(c)
	return c
}

func (r *releasing) run(ctx context.Context, g *global) error {
	c, err := release.ReadFile(r.config)
	if err != nil {
		return usageError{err}
	}
	folder := filepath.Dir(r.config)
	items, err := release.Select(folder, c)
	if err != nil {
		return usageError{err}
	}
	registries, err := c.Destinations.Parse()
	if err != nil {
		return usageError{err}
	}
	for _, to := range registries {
		for _, name := range release.Names(items) {
			if _, err := to.Repository(name); err != nil {
				return usageError{err}
			}
		}
	}
	s, f, m, err := g.open()
	if err != nil {
		return err
	}
	in, err := g.inputs(ctx, s, f, m)
	if err != nil {
		return err
	}
	defer in.close()
	o, done, err := r.options(ctx, g, c, folder, s, in)
	if err != nil {
		return err
	}
	defer done()
	for _, to := range registries {
		o.Names = append(o.Names, destinationName(to))
	}
	var stop func()
	if o.Registries, stop, err = (&delivery{targets: registries}).serving(ctx, o.Store); err != nil {
		return err
	}
	defer stop()
	work, err := release.New(c, folder, items, *o)
	if err != nil {
		return err
	}
	if r.plan {
		return g.planRelease(ctx, work)
	}
	var res *release.Result
	err = g.show(ctx, func(ctx context.Context) error {
		res, err = work.Run(ctx)
		if isCorrupt(err) {
			// A blob of the store was damaged and is gone now: make it again.
			res, err = work.Run(ctx)
		}
		return explain(ctx, f, s, wanted(items), err)
	})
	if err != nil {
		return err
	}
	return g.printRelease(res)
}

// wanted are the images as others name them.
func wanted(items []*release.Item) (all []wantedImage) {
	for _, i := range items {
		all = append(all, wantedImage{Selected: i.Selected, definition: &definitionWithLock{Loaded: i.Definition, lock: i.Lock}})
	}
	return all
}

// options are what the release works with on this machine.
func (r *releasing) options(ctx context.Context, g *global, c *release.Config, folder string, s *store.Store, in *inputs) (_ *release.Options, done func(), err error) {
	o := &release.Options{
		Store: s, Compression: layer.Gzip, Version: version(), Identity: identity(), Catalogue: catalogue.Write,
		Fetch: in, Images: in.images,
		Inputs: func(ctx context.Context, input lock.Input) (io.ReadCloser, error) {
			h, err := in.Fetch(ctx, input)
			if err != nil {
				return nil, err
			}
			return s.Open(h)
		},
	}
	golang, err := loadDefinition("golang")
	if err != nil {
		return nil, nil, err
	}
	o.Golang = golang.lock
	shim, err := build.NewCompiledShim(s, in, golang.lock)
	if err != nil {
		return nil, nil, err
	}
	if o.Prover, err = prove.New(s, prove.Options{Toolchain: shim.Toolchain, Fetch: in.Fetch}); err != nil {
		return nil, nil, err
	}
	if o.Pusher, err = newPusher(push.StoreMemory(s)); err != nil {
		return nil, nil, err
	}
	keychain, err := pullKeychain()
	if err != nil {
		return nil, nil, err
	}
	o.Read = []image.Option{image.Keychain(keychain)}
	if o.Key, err = r.signer(ctx, g, c, folder); err != nil {
		return nil, nil, err
	}
	o.Engine, done, err = r.engine.openWith(ctx, g, s, in, o.Compression, nil)
	return o, done, err
}

// signer loads the key: that of the flag, else that of the file. A release
// without a key is not signed.
func (r *releasing) signer(ctx context.Context, g *global, c *release.Config, folder string) (sign.Key, error) {
	spec := r.key
	if spec == "" {
		spec = c.KeySpec(folder)
	}
	if spec == "" {
		g.warn("release.yaml names no key: images are published without signatures, bills of materials and provenance")
		return nil, nil
	}
	key, err := sign.Load(ctx, spec)
	if err != nil {
		return nil, err
	}
	if note := sign.Note(key); note != "" {
		g.warn("%s", note)
	}
	return key, nil
}

// identity tells one imgbuild from another where the version does not: builds
// of a work tree all have the same.
func identity() string {
	v := version()
	if !strings.Contains(v, "devel") && !strings.Contains(v, "dirty") && v != "unknown" {
		return v
	}
	path, err := os.Executable()
	if err != nil {
		return v
	}
	info, err := os.Stat(path)
	if err != nil {
		return v
	}
	return fmt.Sprintf("%s %d %d", v, info.Size(), info.ModTime().UnixNano())
}

// printRelease prints what a release came to.
func (g *global) printRelease(res *release.Result) error {
	for _, img := range res.Report.Images {
		g.warnKept(img)
		if !img.Unchanged && !res.Unchanged {
			release.PrintChanges(g.stderr, img)
		}
	}
	if res.Sent == 0 && res.Signed == 0 && res.Moved == 0 {
		g.warn("nothing to do: every registry has all images, signed, under their tags")
	} else {
		g.warn("sent %s, signed %d, moved %d tags", megabytes(res.Sent), res.Signed, res.Moved)
	}
	if g.json {
		return g.printJSON(res.Report)
	}
	for _, ref := range res.References {
		if _, err := fmt.Fprintln(g.stdout, ref); err != nil {
			return err
		}
	}
	return nil
}

func (g *global) warnKept(img release.Image) {
	for _, destination := range slices.Sorted(maps.Keys(img.Kept)) {
		tags := img.Kept[destination]
		g.warn("%s: %s:%s is another image there and stays", destination, img.Name, strings.Join(tags, ", "))
	}
}
