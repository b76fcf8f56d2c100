package build

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"runtime"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/imgbuild/imgbuild/pkg/assemble"
	"github.com/imgbuild/imgbuild/pkg/input/image"
	"github.com/imgbuild/imgbuild/pkg/layer"
	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/progress"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// Fetcher puts locked inputs into the store.
type Fetcher interface {
	Fetch(ctx context.Context, in lock.Input) (v1.Hash, error)
	All(ctx context.Context, inputs []lock.Input) error
}

// Shim compiles the shim.
type Shim interface {
	// Key names what the shim for a platform is compiled from; it is cheap.
	Key(platform string) string
	// Build returns the ELF file's blob in the store.
	Build(ctx context.Context, platform string) (v1.Hash, error)
}

// Native is the engine that works in this process.
type Native struct {
	Store       *store.Store
	Fetch       Fetcher
	Shim        Shim
	Compression layer.Compression
	// Images says how existing images are pulled.
	Images []image.Option
	// Anew makes layers also where the store has them: what it has may be what
	// the other engine made.
	Anew bool
}

// Build implements Engine. A layer that several images share is made once;
// different layers are made side by side, as many as there are cores.
func (n *Native) Build(ctx context.Context, requests []Request) ([]v1.Image, error) {
	p, err := newPlan(requests, n.Compression, n.Shim)
	if err != nil {
		return nil, err
	}
	// Those whose layers are in the store cost nothing and free no core.
	todo := n.todo(p)
	for _, j := range todo {
		// One that the other engine made is as good as one made here.
		if j.layer.Run != nil {
			return nil, &RunError{Layer: j.layer.Name, Image: j.request.Definition.Name}
		}
	}
	g, gctx := errgroup.WithContext(ctx)
	slots := make(chan struct{}, max(2, runtime.GOMAXPROCS(0)))
	for _, j := range todo {
		g.Go(func() error { return n.make(gctx, j, slots) })
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return p.compose()
}

func (n *Native) todo(p *plan) []*job {
	if n.Anew {
		return p.jobs
	}
	return p.missing(n.Store)
}

// make fetches what the layer needs and makes it. Fetching waits for the
// network and needs no slot; making takes one.
func (n *Native) make(ctx context.Context, j *job, slots chan struct{}) error {
	if err := n.fetch(ctx, j); err != nil {
		return err
	}
	select {
	case slots <- struct{}{}:
		defer func() { <-slots }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	// Two processes that want the same layer at the same time make it once.
	unlock, err := n.Store.Lock(ctx, fmt.Sprintf("layer-%x", sha256.Sum256([]byte(j.key))))
	if err != nil {
		return err
	}
	defer unlock()
	if !n.Anew && j.find(n.Store) {
		return nil
	}
	step := progress.Start(ctx, j.title(), 0)
	err = n.assemble(ctx, j)
	step.Done(err)
	return err
}

func (n *Native) fetch(ctx context.Context, j *job) error {
	if j.layer.Image != nil {
		return nil // pulled from the image's own registry
	}
	return n.Fetch.All(ctx, j.spec().Needed())
}

func (n *Native) assemble(ctx context.Context, j *job) error {
	switch {
	case j.layer.Shim != nil:
		elf, err := n.Shim.Build(ctx, j.platform)
		if err != nil {
			return fmt.Errorf("compiling the shim for %s: %w", j.platform, err)
		}
		l, err := assemble.Shim(n.Store, n.Compression, elf)
		if err != nil {
			return err
		}
		return j.remember(l)
	case j.layer.Image != nil:
		return j.existing(ctx, n.Store, n.Images...)
	}
	l, err := n.fromInputs(ctx, j)
	if errors.Is(err, store.ErrCorrupt) {
		// The damaged input is out of the store by now: fetch it again, once.
		if err := n.fetch(ctx, j); err != nil {
			return err
		}
		l, err = n.fromInputs(ctx, j)
	}
	if err != nil {
		return err
	}
	if err := j.check(l.Record()); err != nil {
		return err
	}
	return j.remember(l)
}

func (n *Native) fromInputs(ctx context.Context, j *job) (*layer.Layer, error) {
	r, err := assemble.Layer(ctx, n.Store, n.Compression, j.spec())
	return r.Layer, err
}
