package build

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/containerd/platforms"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/errdefs"
	godigest "github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/imgbuild/imgbuild/pkg/layer"
	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/mirror"
	"github.com/imgbuild/imgbuild/pkg/shimbuild"
	"github.com/imgbuild/imgbuild/pkg/step"
)

// Remote has images made by the BuildKit that a frontend works for, and leaves
// them there. Their layers are made by the same steps as those of the engine
// BuildKit, and compared with the lock in the same way.
type Remote struct {
	Client gateway.Client
	// Assembler is a root that has this imgbuild, for a machine of the platform
	// Native, the builder's own. Platforms are all that it runs.
	Assembler llb.State
	Native    ocispecs.Platform
	Platforms []string
	// Golang is the lock of the Go that compiles the shim.
	Golang      *lock.Lock
	Mirrors     *mirror.Mirrors
	Compression layer.Compression
	CacheFrom   []gateway.CacheOptionsEntry
	// Failed is told of a mirror that did not give what it was asked for, where
	// another one is asked next.
	Failed func(err error)
	// Place is where a layer stands in the definition.
	Place func(variant, layer string) llb.ConstraintsOpt
}

// Left is an image that a builder has.
type Left struct {
	Request Request
	// Image has the manifest and the configuration that every engine gives the
	// image. Its layers cannot be read.
	Image v1.Image
	// Root is its file system, with a snapshot for each layer.
	Root llb.State

	blobs []llb.State // folders with the layers' blobs
}

// Build has the images made.
func (r *Remote) Build(ctx context.Context, requests []Request) ([]Left, error) {
	native := platforms.Format(r.Native)
	toolchain, ok := r.Golang.Toolchain(native)
	if !ok {
		return nil, fmt.Errorf("the lock of golang has no Go that runs on the builder, which is %s", native)
	}
	p, err := newPlan(requests, r.Compression, shimKey{toolchain})
	if err != nil {
		return nil, err
	}
	w := &remoteWork{Remote: r, plan: p, made: map[string]llb.State{}, toolchain: toolchain}
	if err := w.layers(ctx); err != nil {
		return nil, err
	}
	return w.images(ctx)
}

// remoteWork is one call of Build.
type remoteWork struct {
	*Remote
	plan      *plan
	toolchain lock.Input

	mu   sync.Mutex
	made map[string]llb.State
}

// layers has all layers made: first those from inputs, side by side, then what
// commands change in them.
func (w *remoteWork) layers(ctx context.Context) error {
	for _, j := range w.plan.jobs {
		if j.layer.Run != nil && !slices.Contains(w.Platforms, j.platform) {
			return j.cannotRun("this one has " + strings.Join(w.Platforms, ", "))
		}
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(2 * inFlight)
	for _, j := range w.plan.jobs {
		switch {
		case j.layer.Run != nil:
		case j.layer.Image != nil:
			g.Go(func() error { return w.existing(gctx, j) })
		default:
			g.Go(func() error { return w.make(gctx, j) })
		}
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for _, j := range w.plan.jobs {
		if j.layer.Run != nil {
			if err := w.make(ctx, j); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *remoteWork) vertices(mount func([]lock.Input) ([]llb.RunOption, error)) *vertices {
	return &vertices{
		assembler: w.Assembler, platform: w.Native, toolchain: w.toolchain, compression: w.Compression,
		mount: mount, base: existing, made: w.made,
		place: func(j *job) llb.ConstraintsOpt { return w.Place(j.request.Image.Variant, j.layer.Name) },
	}
}

// make has one layer made from what the mirrors give, one after the other.
func (w *remoteWork) make(ctx context.Context, j *job) error {
	var failed error
	for try := 0; ; try++ {
		at, err := places(ctx, w.Mirrors, try)
		if err != nil {
			return err
		}
		switch {
		case at == nil:
			return failed
		case failed != nil && w.Failed != nil:
			w.Failed(failed)
		}
		w.mu.Lock()
		state, err := w.vertices(fetched(at, try)).layer(j)
		w.mu.Unlock()
		if err != nil {
			return err
		}
		record, fetching, err := w.solve(ctx, state)
		switch {
		case err != nil && fetching && ctx.Err() == nil:
			failed = errors.Join(failed, err)
			continue
		case err != nil:
			return err
		}
		if err := j.check(record); err != nil {
			return err
		}
		j.parts = []part{{Layer: elsewhere{record}, name: j.layer.Name, newest: record.Newest}}
		w.mu.Lock()
		w.made[j.key] = state
		w.mu.Unlock()
		return nil
	}
}

// solve returns what a step says of its layer. fetching says that it failed
// because an input could not be fetched.
func (w *remoteWork) solve(ctx context.Context, state llb.State) (record layer.Record, fetching bool, err error) {
	def, err := state.Marshal(ctx, llb.Platform(w.Native))
	if err != nil {
		return record, false, err
	}
	res, err := w.Client.Solve(ctx, gateway.SolveRequest{Definition: def.ToPB(), Evaluate: true, CacheImports: w.CacheFrom})
	if err != nil {
		return record, fetches(def, err), err
	}
	ref, err := res.SingleRef()
	if err != nil {
		return record, false, err
	}
	record, err = readRecord(ctx, ref, step.LayerFile)
	return record, false, err
}

// fetches says whether the step that failed fetches an input.
func fetches(def *llb.Definition, err error) bool {
	v, ok := errors.AsType[*errdefs.VertexError](err)
	if !ok {
		return false
	}
	return strings.HasPrefix(def.Metadata[godigest.Digest(v.Digest)].Description["llb.customname"], fetchTitle)
}

// existing looks up which layers an existing image has.
func (w *remoteWork) existing(ctx context.Context, j *job) error {
	p, err := platforms.Parse(j.platform)
	if err != nil {
		return err
	}
	ref := j.layer.Image.Ref
	_, _, raw, err := w.Client.ResolveImageConfig(ctx, ref, sourceresolver.Opt{
		LogName:  "look up " + ref,
		ImageOpt: &sourceresolver.ResolveImageOpt{Platform: &p},
	})
	if err != nil {
		return fmt.Errorf("layer %s: %w", j.layer.Name, err)
	}
	var config v1.ConfigFile
	if err := json.Unmarshal(raw, &config); err != nil {
		return fmt.Errorf("layer %s: reading the configuration of %s: %w", j.layer.Name, ref, err)
	}
	for _, id := range config.RootFS.DiffIDs {
		j.parts = append(j.parts, part{Layer: foreign{id}, name: j.layer.Name})
	}
	return nil
}

// images puts the layers together.
func (w *remoteWork) images(ctx context.Context) ([]Left, error) {
	images, err := w.plan.compose()
	if err != nil {
		return nil, err
	}
	var out []Left
	v := w.vertices(nil) // all that has inputs is made
	for i, r := range w.plan.requests {
		root, err := v.root(w.plan.of[i], r.Image.Platform)
		if err != nil {
			return nil, err
		}
		left := Left{Request: r, Image: images[i], Root: root}
		for _, j := range w.plan.of[i] {
			if j.layer.Image == nil {
				left.blobs = append(left.blobs, w.made[j.key])
			}
		}
		out = append(out, left)
	}
	return out, nil
}

// shimKey knows shims by their keys, and makes none.
type shimKey struct{ toolchain lock.Input }

func (k shimKey) Key(platform string) string {
	return shimbuild.Key(shimbuild.Options{Toolchain: k.toolchain, Platform: platform})
}

func (shimKey) Build(context.Context, string) (v1.Hash, error) { return v1.Hash{}, errElsewhere }

// foreign is a layer of an existing image. Its blob is the builder's affair.
type foreign struct{ diffID v1.Hash }

func (f foreign) Digest() (v1.Hash, error)             { return f.diffID, nil }
func (f foreign) DiffID() (v1.Hash, error)             { return f.diffID, nil }
func (f foreign) Size() (int64, error)                 { return 0, nil }
func (f foreign) MediaType() (types.MediaType, error)  { return types.OCILayer, nil }
func (f foreign) Compressed() (io.ReadCloser, error)   { return nil, errElsewhere }
func (f foreign) Uncompressed() (io.ReadCloser, error) { return nil, errElsewhere }
