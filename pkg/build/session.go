package build

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/platforms"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/secrets/secretsprovider"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/grpcerrors"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/tonistiigi/fsutil"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc/codes"

	"github.com/imgbuild/imgbuild/pkg/buildkit"
	"github.com/imgbuild/imgbuild/pkg/layer"
	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/step"
)

// building is one session with one builder.
type building struct {
	*BuildKit
	ctx     context.Context
	builder *buildkit.Builder
	watch   *buildkit.Watch
	client  gateway.Client

	native    ocispecs.Platform
	toolchain lock.Input
	assembler llb.State
	// sending are the inputs that it may read here.
	sending *buildkit.Files
	// failed counts the mirrors that failed: no layer asks them any more.
	failed atomic.Int64
}

// assemblerStore is the name of the store that builders take imgbuild from.
const assemblerStore = "imgbuild"

// inSession works at tasks from the queue on one builder, all in one session, so
// that steps which tasks share are done once. do returns what goes into a cache.
func inSession[T any](ctx context.Context, e *BuildKit, worker int, b *buildkit.Builder, secrets map[string][]byte, q *queue[T], do func(*building, T) (gateway.Reference, error)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s := &building{BuildKit: e, builder: b}
	opt, err := s.prepare(ctx, secrets)
	if err != nil {
		return err
	}
	go b.Guard(ctx, func(err error) { cancel(fmt.Errorf("%w: %w", errLost, err)) })
	s.watch = buildkit.NewWatch(ctx)
	_, err = b.Build(ctx, opt, "", func(ctx context.Context, c gateway.Client) (*gateway.Result, error) {
		s.client = c
		if caps := c.BuildOpts().LLBCaps; caps.Supports(pb.CapSourceOCILayout) != nil {
			s.assembler = sentProgram()
		}
		return work(ctx, s, worker, q, do)
	}, s.watch.Statuses)
	s.watch.Wait()
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil && errors.Is(cause, errLost) {
		return cause
	}
	if lost := s.isLost(ctx, err); lost != nil {
		return lost
	}
	return err
}

// isLost says, where something failed, whether it was the builder itself.
func (s *building) isLost(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		if errors.Is(cause, errLost) {
			return cause
		}
		return nil
	}
	// A builder that was started anew answers, and knows nothing of this build.
	_, ofStep := errors.AsType[*errdefs.VertexError](err)
	cut := !ofStep && grpcerrors.Code(err) == codes.Unavailable
	if cut || s.builder.Alive(ctx) != nil && ctx.Err() == nil {
		return fmt.Errorf("%w: %s: %w", errLost, s.builder.Address, err)
	}
	return nil
}

// prepare makes ready what the builder may ask for.
func (s *building) prepare(ctx context.Context, more map[string][]byte) (client.SolveOpt, error) {
	var opt client.SolveOpt
	native := s.builder.Native()
	program, err := s.Assemblers.forPlatform(native)
	if err != nil {
		return opt, err
	}
	assembler, err := assemblerImage(s.Inputs, program, native, layer.Zstd)
	if err != nil {
		return opt, fmt.Errorf("packing imgbuild for the builder: %w", err)
	}
	blobs := buildkit.NewBlobs(s.Inputs)
	digest, err := blobs.Hand(assembler, nil)
	if err != nil {
		return opt, err
	}
	if s.native, err = platforms.Parse(native); err != nil {
		return opt, err
	}
	var ok bool
	if s.toolchain, ok = s.Golang.Toolchain(native); !ok {
		return opt, fmt.Errorf("the lock of golang has no Go that runs on the builder %s, which is %s", s.builder.Address, native)
	}
	s.assembler = llb.OCILayout("imgbuild.local/assembler@"+digest.String(), llb.OCIStore("", assemblerStore),
		llb.Platform(s.native), llb.WithCustomName("[internal] imgbuild for "+native))
	programs := buildkit.NewFiles()
	if err := programs.Hand(programFile, program); err != nil {
		return opt, err
	}
	s.sending = buildkit.NewFiles()
	secrets, err := s.secrets(ctx)
	if err != nil {
		return opt, err
	}
	maps.Copy(secrets, more)
	return client.SolveOpt{
		FrontendAttrs: map[string]string{}, // the client writes into it
		OCIStores:     map[string]content.Store{assemblerStore: blobs},
		LocalMounts:   map[string]fsutil.FS{localInputs: s.sending, localProgram: programs},
		Session:       append([]session.Attachable{secretsprovider.FromMap(secrets)}, s.Session...),
		CacheImports:  s.shares(s.CacheFrom, true),
		CacheExports:  s.shares(s.CacheTo, false),
	}, nil
}

// localProgram is the name of a folder that has imgbuild as programFile.
const (
	localProgram = "imgbuild-program"
	programFile  = "imgbuild"
)

// sentProgram is a root that has imgbuild, for builders that take no image from
// here: the BuildKit inside Docker, where containerd does not keep the images.
func sentProgram() llb.State {
	from := llb.Local(localProgram, llb.SharedKeyHint(localProgram), llb.WithCustomName("[internal] send imgbuild from here"))
	return llb.Scratch().File(llb.Copy(from, "/"+programFile, step.Program, &llb.CopyInfo{Mode: &llb.ChmodOpt{Mode: 0o755}}), llb.WithCustomName("[internal] place imgbuild"))
}

// work takes tasks until there are none.
func work[T any](ctx context.Context, s *building, worker int, q *queue[T], do func(*building, T) (gateway.Reference, error)) (*gateway.Result, error) {
	var results []gateway.Reference
	g, gctx := errgroup.WithContext(ctx)
	s.ctx = gctx
	var mu sync.Mutex
	for range inFlight {
		g.Go(func() error {
			for {
				task, ok := q.take(gctx, worker)
				if !ok {
					return nil
				}
				ref, err := do(s, task)
				if err != nil {
					if lost := s.isLost(gctx, err); lost != nil || gctx.Err() != nil {
						q.back(task)
						return cmp.Or(lost, context.Cause(gctx))
					}
					err = s.watch.Explain(err)
					q.done(err)
					return err
				}
				q.done(nil)
				if len(s.CacheTo) > 0 && ref != nil {
					mu.Lock()
					results = append(results, ref)
					mu.Unlock()
				}
			}
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return together(results)
}

// together is the result that has all of these in it, for a cache: BuildKit wants
// each of several to be for a platform of its own.
func together(refs []gateway.Reference) (*gateway.Result, error) {
	out := gateway.NewResult()
	var all exptypes.Platforms
	for i, ref := range refs {
		p := ocispecs.Platform{OS: "linux", Architecture: fmt.Sprintf("layer%d", i)}
		all.Platforms = append(all.Platforms, exptypes.Platform{ID: platforms.Format(p), Platform: p})
		out.AddRef(platforms.Format(p), ref)
	}
	if len(refs) == 0 {
		return out, nil
	}
	b, err := json.Marshal(all)
	if err != nil {
		return nil, err
	}
	out.AddMeta(exptypes.ExporterPlatformsKey, b)
	return out, nil
}

// imports are the caches that steps are looked up in: what was given, with what
// the client has found out about it.
func (s *building) imports() (out []gateway.CacheOptionsEntry, err error) {
	if given := s.client.BuildOpts().Opts["cache-imports"]; given != "" {
		err = json.Unmarshal([]byte(given), &out)
	}
	return out, err
}
