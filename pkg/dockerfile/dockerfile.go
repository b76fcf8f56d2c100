// Package dockerfile builds a Dockerfile on a BuildKit daemon, with that one's
// own Dockerfile frontend, and brings the image into the store.
//
// What a Dockerfile begins FROM is settled before: an image in a registry is
// pinned to the digest that it has when the build begins, and one of our bases
// that is not published can come from the definitions here. Neither is silent:
// the result says what came from where.
package dockerfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	spb "github.com/moby/buildkit/sourcepolicy/pb"

	"github.com/imgbuild/imgbuild/pkg/buildkit"
	"github.com/imgbuild/imgbuild/pkg/source"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// Build is one build.
type Build struct {
	// Context is a folder, or a URL that the builder fetches.
	Context string
	// File is the Dockerfile's path; in a context that is a URL, its path there.
	File string
	// Dockerfile is the text of it; nil in a context that is a URL.
	Dockerfile []byte

	Platforms []string // as linux/amd64; at least one
	Target    string
	Args      map[string]string
	Labels    map[string]string
	// Contexts are more folders and images, by the names that the Dockerfile has
	// for them; see ParseContext.
	Contexts map[string]string
	Secrets  []Secret
	SSH      []Agent

	CacheFrom, CacheTo []client.CacheOptionsEntry
	NoCache            bool
	Pull               bool

	Hosts   []string // HOST:IP
	Network string   // of commands that run: default, none or host
	Allow   []string // what the builder is asked to allow besides

	// Epoch is SOURCE_DATE_EPOCH, empty for the time of the build.
	Epoch string

	// Image says that the image is wanted. Files are what else is.
	Image bool
	Files []File

	Keychain authn.Keychain
	// Local has bases that no registry has to have. It may be nil.
	Local Local
	// Settled is told the bases before anything is made from them.
	Settled func([]Base)
	// Unread is told why the Dockerfile could not be read here, though the
	// builder could: then its bases are as the builder finds them.
	Unread func(error)
	// Offline builds from what is here alone. Commands have no network.
	Offline bool
}

// File is the target's files outside of an image.
type File struct {
	// Dir is a folder that they are written to. Where it is empty they are
	// written as a tar to Tar.
	Dir string
	Tar *os.File
}

// Result is what a build made.
type Result struct {
	// Source is the image, where that was wanted.
	*source.Source
	// Bases are the images that it was made from, in the order of the Dockerfile.
	Bases []Base
	// Final is what the target begins with.
	Final Origin
	// Entrypoint is the line of the Dockerfile's own ENTRYPOINT, 0 for none.
	Entrypoint int
}

// URL says that a context is one that the builder fetches.
func URL(context string) bool {
	for _, prefix := range []string{"http://", "https://", "git://", "ssh://", "git@", "github.com/"} {
		if strings.HasPrefix(context, prefix) {
			return true
		}
	}
	return false
}

// Run builds on the builder. Errors of the Dockerfile and of its commands are
// *Failure.
func (b *Build) Run(ctx context.Context, st *store.Store, builder *buildkit.Builder) (*Result, error) {
	w := &work{Build: b, builder: builder, store: st, blobs: buildkit.NewBlobs(st)}
	if err := w.read(); err != nil {
		return nil, err
	}
	defer w.close()
	opt, err := w.options()
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(w.plan.Images, func(i Image) bool { return i.Clashes && !i.Pinned() }) {
		// Rules go with the request, and these need what the builder finds.
		before := &client.SolveOpt{FrontendAttrs: opt.FrontendAttrs, Session: opt.Session}
		if _, err := w.solve(ctx, before, w.onlySettle); err != nil {
			return nil, err
		}
	}
	opt.SourcePolicy = w.policy()
	resp, err := w.solve(ctx, opt, w.gateway)
	if err != nil && b.Image && builder.IsDocker() && lacksOCI(err) {
		intoDocker(opt)
		w.kept = true
		resp, err = w.solve(ctx, opt, w.gateway)
	}
	w.tellUnread(err)
	if err != nil {
		return nil, err
	}
	r := &Result{Bases: w.bases, Final: w.plan.Final, Entrypoint: w.plan.Entrypoint}
	if !b.Image {
		return r, nil
	}
	h, err := w.image(ctx, resp)
	if err != nil {
		return nil, err
	}
	r.Source, err = source.Kept(ctx, st, h)
	return r, err
}

// solve builds once.
func (w *work) solve(ctx context.Context, opt *client.SolveOpt, frontend gateway.BuildFunc) (*client.SolveResponse, error) {
	guarded, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go w.builder.Guard(guarded, cancel)
	watch := buildkit.NewWatch(ctx)
	resp, err := w.builder.Build(guarded, *opt, "", frontend, watch.Statuses)
	watch.Wait()
	switch {
	case err == nil:
		return resp, nil
	case ctx.Err() == nil && guarded.Err() != nil:
		return nil, w.gone(context.Cause(guarded))
	}
	return nil, w.explain(ctx, err, watch)
}

// image is the digest of what was made, which is then in the store.
func (w *work) image(ctx context.Context, resp *client.SolveResponse) (v1.Hash, error) {
	if w.kept {
		return w.fromDocker(ctx, resp)
	}
	h, err := v1.NewHash(resp.ExporterResponse[exptypes.ExporterImageDigestKey])
	if err != nil {
		return h, fmt.Errorf("the builder %s does not say which image it made: %w", w.builder.Address, err)
	}
	return h, nil
}

// work is a build while it runs.
type work struct {
	*Build
	builder *buildkit.Builder
	store   *store.Store
	blobs   *buildkit.Blobs
	plan    *Plan
	unread  error  // why there is no plan
	kept    bool   // the image stays in Docker
	mode    string // how Docker finds bases, where it is not its own way
	settled bool
	bases   []Base
	pins    map[string]string // contexts of the frontend's that stand for bases
	rules   []*spb.Rule       // of the builder's, for those that no context can be for
	own     error             // what went wrong here, and not at the builder
	closers []io.Closer
}

func (w *work) close() {
	for _, c := range w.closers {
		c.Close()
	}
}

// read reads what the Dockerfile needs. A mistake in it is the builder's to show,
// with the place.
func (w *work) read() error {
	w.plan = &Plan{}
	if w.Dockerfile == nil {
		return nil
	}
	contexts := map[string]string{}
	for name, value := range w.Contexts {
		contexts[contextKey(name)] = value
	}
	plan, err := NewPlan(w.Dockerfile, Query{
		Target: w.Target, Args: w.Args, Platforms: w.Platforms, Native: w.builder.Native(), Contexts: contexts,
	})
	if target, ok := errors.AsType[*TargetError](err); ok {
		return target
	}
	if err != nil {
		w.unread = err
	} else {
		w.plan = plan
	}
	if w.Offline {
		if err := w.offline(); err != nil {
			return err
		}
	}
	return w.runnable()
}

// tellUnread tells why the Dockerfile was not read, unless that is what the build
// failed for, too.
func (w *work) tellUnread(failed error) {
	if w.unread == nil || w.Unread == nil || failed != nil && strings.Contains(failed.Error(), w.unread.Error()) {
		return
	}
	w.Unread(w.unread)
}

// runnable says whether the builder runs what the Dockerfile runs.
func (w *work) runnable() error {
	for _, r := range w.plan.Runs {
		if !w.builder.Has(r.Platform) {
			return fmt.Errorf("%s:%d runs a command on %s, and the builder %s runs %s only; name a builder that has it with --buildkit, or install QEMU there (docker run --privileged tonistiigi/binfmt --install %s)",
				filepath.Base(w.File), r.Line, r.Platform, w.builder.Address, strings.Join(w.builder.Platforms, ", "), arch(r.Platform))
		}
	}
	return nil
}

func arch(platform string) string {
	_, arch, _ := strings.Cut(platform, "/")
	arch, _, _ = strings.Cut(arch, "/")
	return arch
}

// gateway is what runs as the build's frontend: it settles the bases, then hands
// over to the builder's.
func (w *work) gateway(ctx context.Context, c gateway.Client) (*gateway.Result, error) {
	if _, err := w.onlySettle(ctx, c); err != nil {
		return nil, err
	}
	attrs := maps.Clone(c.BuildOpts().Opts)
	maps.Copy(attrs, w.pins)
	if w.mode != "" {
		attrs["image-resolve-mode"] = w.mode
	}
	return c.Solve(ctx, gateway.SolveRequest{Frontend: "dockerfile.v0", FrontendOpt: attrs})
}

// onlySettle is gateway without the build.
func (w *work) onlySettle(ctx context.Context, c gateway.Client) (*gateway.Result, error) {
	if w.Offline {
		w.own = w.keepsRules(c)
	}
	if w.own == nil && !w.settled {
		w.own = w.settle(ctx, c)
	}
	return gateway.NewResult(), w.own
}

// ReadFile reads the Dockerfile at path, "-" for standard input.
func ReadFile(path string, stdin *os.File) ([]byte, error) {
	f := stdin
	if path != "-" {
		var err error
		if f, err = os.Open(path); err != nil {
			return nil, err
		}
		defer f.Close()
	}
	return readAtMost(f, maxDockerfile)
}

var errTooLarge = errors.New("it has more bytes than a Dockerfile has")
