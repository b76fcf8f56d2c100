// Package frontend is imgbuild as a frontend of BuildKit: a program in an image
// that BuildKit runs to learn which steps make up a build. So docker and
// buildctl build an image.yaml with nothing installed beside them.
package frontend

import (
	"context"
	"slices"
	"sync"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/frontend/dockerui"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/frontend/gateway/grpcclient"

	"github.com/imgbuild/imgbuild/pkg/build"
	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/layer"
	"github.com/imgbuild/imgbuild/pkg/lock"
)

// Command is imgbuild's hidden command that BuildKit runs.
const Command = "frontend"

// Run serves the BuildKit that has started this process.
func Run(ctx context.Context) error { return grpcclient.RunFromEnvironment(ctx, Build) }

// Build has the image made that a client asks for, and returns what BuildKit
// exports.
func Build(ctx context.Context, c gateway.Client) (*gateway.Result, error) {
	f, err := read(ctx, c)
	if err != nil {
		return nil, err
	}
	if res, ok, err := f.ui.HandleSubrequest(ctx, f.requests()); ok || err != nil {
		return res, err
	}
	d, err := f.definition(ctx)
	if err != nil {
		return nil, f.located(err)
	}
	locked, err := f.lock(ctx, d)
	if err != nil {
		return nil, err
	}
	o, err := f.options(ctx)
	if err != nil {
		return nil, err
	}
	selected, err := o.choose(d.Definition, locked)
	if err != nil {
		return nil, err
	}
	r, err := f.remote(ctx, o)
	if err != nil {
		return nil, err
	}
	var requests []build.Request
	for _, p := range selected.Platforms {
		requests = append(requests, build.Request{Definition: d.Definition, Lock: locked, Image: p})
	}
	images, err := r.Build(ctx, requests)
	if err != nil {
		return nil, err
	}
	if o.layout {
		return f.layout(ctx, images, selected.Tags)
	}
	return f.result(ctx, images)
}

// remote is the BuildKit that this process works for.
func (f *files) remote(ctx context.Context, o options) (*build.Remote, error) {
	self, err := f.program(ctx)
	if err != nil {
		return nil, err
	}
	golang, err := definition.Load("golang")
	if err != nil {
		return nil, err
	}
	locked, err := lock.Load(golang)
	if err != nil {
		return nil, err
	}
	var once sync.Once // a mirror that fails does so for most inputs
	r := &build.Remote{
		Client:    f.client,
		Assembler: self,
		Native:    platforms.Normalize(f.ui.BuildPlatforms[0]),
		Golang:    locked,
		Mirrors:   o.mirrors,
		CacheFrom: f.ui.CacheImports,
		Failed: func(err error) {
			once.Do(func() { f.warn(ctx, "a mirror failed, and the next one is asked: "+err.Error()) })
		},
		Place: f.place,
		// Nobody gets these blobs: BuildKit packs what they unpack to.
		Compression: layer.Zstd,
	}
	if o.layout {
		r.Compression = layer.Gzip
	}
	for _, w := range f.client.BuildOpts().Workers {
		for _, p := range w.Platforms {
			if s := platforms.Format(platforms.Normalize(p)); !slices.Contains(r.Platforms, s) {
				r.Platforms = append(r.Platforms, s)
			}
		}
	}
	return r, nil
}

var _ gateway.BuildFunc = Build

// ui is what BuildKit's own frontend reads of a client's options.
func ui(c gateway.Client) (*dockerui.Client, error) { return dockerui.NewClient(c) }
