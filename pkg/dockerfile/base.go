package dockerfile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/containerd/platforms"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"
)

// Local has bases that no registry has to have: those of the definitions here.
type Local interface {
	// Has says whether the image is one of them.
	Has(ref string) bool
	// Hint is what to do about an image that no registry has, empty where there
	// is nothing to say.
	Hint(ref string) string
	// First says that they are taken without asking a registry; else they are
	// where the registry does not have them.
	First() bool
	// Build gives the image for one platform, the index for several.
	Build(ctx context.Context, ref string, platforms []string) (v1.Image, v1.ImageIndex, error)
}

// Base is an image that a Dockerfile begins with or takes from.
type Base struct {
	Image
	// Digest is what was taken; empty where the builder has an image that is in
	// no registry.
	Digest string
	// Local says that it came from the definitions here, and Why is then the
	// reason, empty where it was not looked for elsewhere.
	Local bool
	Why   error
	// Entrypoint is that of its first platform.
	Entrypoint []string
}

// patience is how long a registry may take to say whether it has a base that is
// here, too.
const patience = 30 * time.Second

// settle finds all images, and where the builder is to take each from.
func (w *work) settle(ctx context.Context, c gateway.Client) error {
	bases := make([]Base, len(w.plan.Images))
	contexts := make([]string, len(bases))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for i, image := range w.plan.Images {
		g.Go(func() (err error) {
			bases[i], contexts[i], err = w.base(ctx, c, image)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	known := knowsContexts(c)
	if !known && len(w.Contexts) > 0 {
		return fmt.Errorf("the builder %s is too old for contexts with names, which BuildKit 0.10 and Docker 23 know", w.builder.Address)
	}
	w.pins = map[string]string{}
	for i, context := range contexts {
		b := bases[i]
		switch {
		case !known && b.Local && !w.builder.IsDocker():
			return fmt.Errorf("the builder %s is too old for bases that are in no registry: those need BuildKit 0.11", w.builder.Address)
		case context == "" || !known:
			// One that does not know them resolves names itself, a moment later.
		case b.Clashes && b.Local:
			return fmt.Errorf("%s:%d: the base %s comes from the definitions here, and a stage has its name, %s: the builder would take the one for the other; give the stage another name",
				filepath.Base(w.File), b.Line, b.Ref, b.Key)
		case b.Clashes:
			w.rules = append(w.rules, pin(b.Ref, context))
		default:
			w.pins["context:"+b.Key] = context
		}
	}
	for _, b := range bases {
		switch {
		case !w.builder.IsDocker():
		case b.Local:
			w.mode = "local" // what was loaded
		case !known && w.mode == "" && w.Local != nil && w.Local.Has(b.Ref):
			w.mode = "pull"
		}
	}
	w.bases, w.settled = bases, true
	if w.Settled != nil {
		w.Settled(bases)
	}
	return nil
}

// base finds one image.
func (w *work) base(ctx context.Context, c gateway.Client, image Image) (Base, string, error) {
	here := w.Local != nil && w.Local.Has(image.Ref)
	if here && (w.Local.First() || w.Offline) {
		return w.local(ctx, image, nil)
	}
	limited, cancel := ctx, func() {}
	if here {
		limited, cancel = context.WithTimeout(ctx, patience)
	}
	b, pinned, err := w.remote(limited, c, image, here)
	cancel()
	switch {
	case err == nil:
		return b, pinned, nil
	case ctx.Err() != nil:
		return b, "", context.Cause(ctx)
	case here:
		return w.local(ctx, image, reason(err, image.Ref))
	}
	err = fmt.Errorf("%s:%d: the image %s is not to be had: %w", filepath.Base(w.File), image.Line, image.Ref, reason(err, image.Ref))
	if w.Local != nil {
		if hint := w.Local.Hint(image.Ref); hint != "" {
			err = fmt.Errorf("%w; %s", err, hint)
		}
	}
	return b, "", err
}

// remote asks the builder for what the image's registry has.
func (w *work) remote(ctx context.Context, c gateway.Client, image Image, here bool) (Base, string, error) {
	platform, err := platforms.Parse(image.Platforms[0])
	if err != nil {
		return Base{}, "", err
	}
	mode := c.BuildOpts().Opts["image-resolve-mode"]
	switch {
	case mode != "":
	case here && w.builder.IsDocker():
		mode = "pull" // Docker may have an older one from here under that name
	default:
		mode = "default"
	}
	ref, d, config, err := c.ResolveImageConfig(ctx, image.Ref, sourceresolver.Opt{
		LogName:  "[internal] load metadata for " + image.Ref,
		ImageOpt: &sourceresolver.ResolveImageOpt{Platform: &platform, ResolveMode: mode},
	})
	if err != nil {
		return Base{}, "", err
	}
	b := Base{Image: image, Digest: d.String(), Entrypoint: entrypoint(config)}
	if d == "" || image.Pinned() {
		return b, "", nil
	}
	name, _, _ := strings.Cut(ref, "@")
	return b, "docker-image://" + name + "@" + d.String(), nil
}

// local takes the image from the definitions here.
func (w *work) local(ctx context.Context, image Image, why error) (Base, string, error) {
	img, index, err := w.Local.Build(ctx, image.Ref, image.Platforms)
	if err != nil {
		return Base{}, "", fmt.Errorf("%s:%d: building the base %s: %w", filepath.Base(w.File), image.Line, image.Ref, err)
	}
	d, err := w.blobs.Hand(img, index)
	if err != nil {
		return Base{}, "", err
	}
	b := Base{Image: image, Digest: d.String(), Local: true, Why: why}
	if img == nil {
		m, err := index.IndexManifest()
		if err != nil {
			return b, "", err
		}
		if img, err = index.Image(m.Manifests[0].Digest); err != nil {
			return b, "", err
		}
	}
	config, err := img.RawConfigFile()
	if err != nil {
		return b, "", err
	}
	b.Entrypoint = entrypoint(config)
	if !w.builder.IsDocker() {
		return b, layoutContext(d), nil
	}
	if err := w.load(ctx, image, img); err != nil {
		return b, "", fmt.Errorf("%s:%d: the base %s: %w", filepath.Base(w.File), image.Line, image.Ref, err)
	}
	return b, "", nil
}

// layoutContext names an image in imgbuild's store to the builder.
func layoutContext(d digest.Digest) string { return "oci-layout://" + storeName + "@" + d.String() }

func entrypoint(config []byte) []string {
	var c v1.ConfigFile
	if json.Unmarshal(config, &c) != nil {
		return nil
	}
	return c.Config.Entrypoint
}

// reason is why a registry does not give an image, without the builder's
// repetitions of its name.
func reason(err error, ref string) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("its registry does not answer within %s", patience)
	}
	return errors.New(plain(strings.ReplaceAll(err.Error(), ref+": ", "")))
}
