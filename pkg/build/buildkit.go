package build

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/google/go-containerregistry/pkg/authn"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/session"
	"golang.org/x/sync/errgroup"

	"github.com/imgbuild/imgbuild/pkg/buildkit"
	"github.com/imgbuild/imgbuild/pkg/input/image"
	"github.com/imgbuild/imgbuild/pkg/layer"
	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/mirror"
	"github.com/imgbuild/imgbuild/pkg/progress"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// BuildKit is the engine whose layers are made by BuildKit daemons: one or many
// builders, which share the layers of all images among them. Every layer that
// comes back is unpacked and compared with the lock: a builder changes no image.
type BuildKit struct {
	Builders []*buildkit.Builder
	// Store is where layers come back to; those that it has are asked of nobody.
	Store       *store.Store
	Compression layer.Compression
	// Inputs is where Fetch brings inputs to, and the layers of existing images
	// are: mostly the same store.
	Inputs *store.Store
	// Shim knows by which key the store has a shim, and Golang is the lock of
	// the Go that compiles it.
	Shim   Shim
	Golang *lock.Lock
	// Mirrors are where builders fetch from. What no mirror gives them is sent
	// from Inputs, where Fetch brings it to; with Send all inputs are.
	Mirrors *mirror.Mirrors
	Fetch   Fetcher
	Send    bool
	// Images says how existing images are pulled; they are, from here.
	Images []image.Option
	// Assemblers are what the builders run.
	Assemblers Assemblers
	// Session has what builders may ask for, such as a registry's credentials.
	Session []session.Attachable
	// CacheFrom and CacheTo are where builders find what others have done, and
	// leave it. Of several builders the second leaves its share under the name
	// with -2 added, and so on.
	CacheFrom, CacheTo []client.CacheOptionsEntry
	// Stay leaves the layers on the builders, from where PushAll sends them.
	Stay bool
	// Keychain has the logins that PushAll gives to builders.
	Keychain authn.Keychain
	// Lost is told of a builder that dies while others go on.
	Lost func(b *buildkit.Builder, err error)

	mu   sync.Mutex
	made map[v1.Hash]madeLayer // that stayed where they were made
	dead map[*buildkit.Builder]bool
}

// inFlight is how many layers one builder is asked for at a time. It works at
// each with several cores; more would only keep them from other builders.
const inFlight = 4

// Build implements Engine.
func (e *BuildKit) Build(ctx context.Context, requests []Request) ([]v1.Image, error) {
	p, err := newPlan(requests, e.Compression, e.Shim)
	if err != nil {
		return nil, err
	}
	todo := p.jobs
	if !e.Stay {
		todo = p.missing(e.Store)
	}
	if len(todo) == 0 && len(e.CacheTo) == 0 {
		return p.compose()
	}
	if len(e.CacheTo) > 0 {
		todo = p.jobs // what is at hand here is not in the cache yet
	}
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return e.existing(gctx, todo) })
	g.Go(func() error { return e.make(gctx, todo) })
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return p.compose()
}

// existing takes the layers of existing images, which nobody makes.
func (e *BuildKit) existing(ctx context.Context, jobs []*job) error {
	for _, j := range jobs {
		if j.layer.Image != nil {
			if err := j.existing(ctx, e.Inputs, e.Images...); err != nil {
				return err
			}
		}
	}
	return nil
}

// make has the layers made.
func (e *BuildKit) make(ctx context.Context, jobs []*job) error {
	jobs = slices.DeleteFunc(slices.Clone(jobs), func(j *job) bool { return j.layer.Image != nil })
	// The longest first, so that in the end nobody waits for one builder.
	slices.SortStableFunc(jobs, func(a, b *job) int { return cmp.Compare(b.effort(), a.effort()) })
	if len(jobs) == 0 {
		return nil
	}
	for _, j := range jobs {
		if err := e.canRun(j); err != nil {
			return err
		}
	}
	one := func(ctx context.Context, worker int, b *buildkit.Builder, q *queue[*job]) error {
		return inSession(ctx, e, worker, b, nil, q, func(s *building, j *job) (gateway.Reference, error) { return s.make(j) })
	}
	can := func(b *buildkit.Builder, j *job) bool { return j.layer.Run == nil || b.Has(j.platform) }
	return spread(ctx, jobs, e.Builders, can, one, e.lost)
}

func (e *BuildKit) lost(b *buildkit.Builder, others bool, err error) {
	e.mu.Lock()
	if e.dead == nil {
		e.dead = map[*buildkit.Builder]bool{}
	}
	e.dead[b] = true
	e.mu.Unlock()
	if e.Lost != nil && others {
		e.Lost(b, err)
	}
}

// effort is a guess at how long a layer takes, in bytes of inputs.
func (j *job) effort() (n int64) {
	if j.layer.Shim != nil || j.layer.Run != nil {
		return 1 << 30
	}
	for _, in := range j.spec().Needed() {
		n += in.Size
	}
	return n
}

// canRun says whether there is a builder that can run the commands of a layer.
func (e *BuildKit) canRun(j *job) error {
	if j.layer.Run == nil {
		return nil
	}
	var have []string
	for _, b := range e.Builders {
		if b.Has(j.platform) {
			return nil
		}
		have = append(have, fmt.Sprintf("%s has %s", b.Address, strings.Join(b.Platforms, ", ")))
	}
	return j.cannotRun(have...)
}

// cannotRun is the error of builders that lack the platform of a command.
func (j *job) cannotRun(have ...string) error {
	return fmt.Errorf("layer %s of %s runs a command on %s, which no builder does: %s; install emulation there, as docker run --privileged tonistiigi/binfmt does, or give a builder of that platform too, or leave the platform out with --platform",
		j.layer.Name, j.request.Definition.Name, j.platform, strings.Join(have, "; "))
}

// sendFromHere is more than there are mirrors.
const sendFromHere = 1 << 20

// vertices are ready for this builder. try counts how often the builder failed
// to fetch: the next mirrors are then asked, and in the end what is needed is
// sent from here; last says that this is so.
func (s *building) vertices(try int) (v *vertices, last bool, err error) {
	v = &vertices{
		assembler:   s.assembler,
		platform:    s.native,
		toolchain:   s.toolchain,
		compression: s.Compression,
		base:        existing,
	}
	places, err := places(s.ctx, s.Mirrors, try)
	if err != nil {
		return nil, false, err
	}
	if places == nil || s.Send {
		v.mount = s.sent
		return v, true, nil
	}
	v.mount = fetched(places, try)
	return v, false, nil
}

// make has one layer made, and takes it into the store.
func (s *building) make(j *job) (gateway.Reference, error) {
	for try := int(s.failed.Load()); ; try++ {
		v, last, err := s.vertices(try)
		if err != nil {
			return nil, err
		}
		ref, err := s.solve(v, j)
		switch {
		case err == nil:
		case last || s.ctx.Err() != nil:
			return nil, err
		case errors.Is(err, errNoMirror):
			try = sendFromHere
			continue
		case s.fetchFailed(err):
			if n := int64(try); s.failed.CompareAndSwap(n, n+1) {
				progress.Start(s.ctx, fmt.Sprintf("%s cannot fetch for %s; it fetches elsewhere now", s.builder.Address, j.title()), 0).Done(nil)
			}
			continue
		default:
			return nil, err
		}
		if s.Stay {
			return ref, s.stay(j, ref, try)
		}
		if len(j.parts) > 0 {
			return ref, nil // it is at hand; only the cache was to have it
		}
		l, err := receive(s.ctx, s.Store, ref, s.Compression, j.title())
		if err != nil {
			return nil, err
		}
		if err := j.check(l.Record()); err != nil {
			return nil, err
		}
		return ref, j.remember(l)
	}
}

func (s *building) solve(v *vertices, j *job) (gateway.Reference, error) {
	state, err := v.layer(j)
	if err != nil {
		return nil, err
	}
	def, err := state.Marshal(s.ctx, llb.Platform(s.native))
	if err != nil {
		return nil, err
	}
	imports, err := s.imports()
	if err != nil {
		return nil, err
	}
	r, err := s.client.Solve(s.ctx, gateway.SolveRequest{Definition: def.ToPB(), Evaluate: true, CacheImports: imports})
	if err != nil {
		return nil, err
	}
	return r.SingleRef()
}
