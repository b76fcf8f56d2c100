package main

import (
	"context"
	"fmt"

	"github.com/imgbuild/imgbuild/pkg/build"
	"github.com/imgbuild/imgbuild/pkg/bundle"
	"github.com/imgbuild/imgbuild/pkg/input/image"
	"github.com/imgbuild/imgbuild/pkg/layer"
	"github.com/imgbuild/imgbuild/pkg/mirror"
	"github.com/imgbuild/imgbuild/pkg/registry"
	"github.com/imgbuild/imgbuild/pkg/source"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// inputs is where everything that is built comes from.
type inputs struct {
	build.Fetcher                // of archives' files
	images        []image.Option // how base images are pulled
	mirrors       *mirror.Mirrors
	close         func()
}

// inputs adds the bundles that were named to what g.open opened.
func (g *global) inputs(ctx context.Context, s *store.Store, f build.Fetcher, m *mirror.Mirrors) (*inputs, error) {
	pull, err := g.pulling()
	if err != nil {
		return nil, err
	}
	var bundles []*bundle.Bundle
	in := &inputs{mirrors: m, close: func() {
		for _, b := range bundles {
			b.Close()
		}
	}}
	for _, named := range m.Bundles() {
		n, stop, err := bundleName(ctx, s, named.Ref)
		if err != nil {
			in.close()
			return nil, usage("%s: %w", named.From, err)
		}
		before := in.close
		in.close = func() { before(); stop() }
		bundles = append(bundles, bundle.New(s, n, pull...))
	}
	in.Fetcher = bundle.Fetcher(f, bundles...)
	in.images = append(pull, bundle.Images(bundles...))
	return in, nil
}

// pulling is how images and bundles are pulled.
func (g *global) pulling() ([]image.Option, error) {
	keychain, err := pullKeychain()
	if err != nil {
		return nil, err
	}
	opts := []image.Option{image.Keychain(keychain)}
	if g.offline {
		opts = append(opts, image.Offline())
	}
	return opts, nil
}

// bundleName reads the name of a bundle. One in the embedded registry is served
// until stop is called.
func bundleName(ctx context.Context, s *store.Store, ref string) (n source.Name, stop func(), err error) {
	stop = func() {}
	if n, err = source.Parse(ref); err != nil || n.Path != "" || !n.Reference.IsEmbedded() {
		return n, stop, err
	}
	addr, closer, err := registry.ForPush(ctx, registry.DefaultDir(s))
	if err != nil {
		return n, stop, fmt.Errorf("starting the embedded registry: %w", err)
	}
	n.Reference.Repository.Host, n.Reference.Repository.Reference = addr, registry.DefaultAddr
	return n, func() { closer() }, nil
}

// engine returns the engine that works in this process, with all that was named
// for inputs to come from. The caller closes it after the last build.
func (g *global) engine(ctx context.Context, s *store.Store, f build.Fetcher, m *mirror.Mirrors, c layer.Compression, wanted []wantedImage) (build.Engine, func(), error) {
	in, err := g.inputs(ctx, s, f, m)
	if err != nil {
		return nil, nil, err
	}
	e, err := newNative(s, in, c, g.offline, wanted, in.images...)
	if err != nil {
		in.close()
		return nil, nil, err
	}
	return e, in.close, nil
}
