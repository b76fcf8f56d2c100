package bundle

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
	specs "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/imgbuild/imgbuild/pkg/build"
	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/input/image"
	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// Request says what a bundle is made of.
type Request struct {
	Definition *definition.Loaded
	Lock       *lock.Lock
	// Platforms are those whose inputs are packed; none means all of the lock.
	Platforms []string
	// Toolchains compile the shim. They are packed where an image has one, for
	// without them nobody could build it who has only the bundle.
	Toolchains []lock.Input
}

// Packed is a bundle to push or to write.
type Packed struct {
	// Image is the bundle. Its digest is a function of the request alone. An
	// input that the store lacks is fetched when its layer is opened.
	Image v1.Image
	// Tags are bundle-<16 hex digits of the lock's sum> and bundle, with the
	// architectures behind where not all platforms are packed.
	Tags []string
	// Platforms are those that are packed.
	Platforms []string
	// Size is that of all blobs in bytes.
	Size int64

	inputs []packedInput
	from   origin
}

// packedInput is one blob.
type packedInput struct {
	lock.Input
	toolchain bool
}

// origin is where inputs come from.
type origin struct {
	ctx    context.Context
	store  *store.Store
	fetch  build.Fetcher
	images *image.Remote
}

// Pack makes a bundle. Its layers are read, and what the store lacks is
// fetched, under ctx; images says how base images are pulled.
func Pack(ctx context.Context, st *store.Store, fetch build.Fetcher, r Request, images ...image.Option) (*Packed, error) {
	remote, err := image.NewRemote(st, images...)
	if err != nil {
		return nil, err
	}
	p := &Packed{from: origin{ctx, st, fetch, remote}}
	if p.Platforms, err = r.platforms(); err == nil {
		p.inputs, err = r.inputs(p.Platforms)
	}
	if err == nil {
		err = p.compose(r)
	}
	if err != nil {
		return nil, fmt.Errorf("bundling %s: %w", r.Definition.Name, err)
	}
	p.Tags = tags(r.Lock, p.Platforms)
	return p, nil
}

// platforms are those asked for, in the order of the lock.
func (r Request) platforms() ([]string, error) {
	var all, wanted []string
	for _, i := range r.Lock.Images {
		if !slices.Contains(all, i.Platform) {
			all = append(all, i.Platform)
		}
	}
	slices.Sort(all)
	for _, p := range r.Platforms {
		if !slices.Contains(all, p) {
			return nil, fmt.Errorf("the lock has no platform %q; it has %s", p, strings.Join(all, ", "))
		}
	}
	for _, p := range all {
		if len(r.Platforms) == 0 || slices.Contains(r.Platforms, p) {
			wanted = append(wanted, p)
		}
	}
	return wanted, nil
}

// inputs are those of the platforms' images, each blob once, by their ids.
func (r Request) inputs(platforms []string) ([]packedInput, error) {
	var all []packedInput
	at := map[string]int{} // by hash
	add := func(in lock.Input, toolchain bool) {
		i, twice := at[in.SHA256]
		if !twice {
			i = len(all)
			at[in.SHA256], all = i, append(all, packedInput{Input: in})
		}
		all[i].toolchain = all[i].toolchain || toolchain
	}
	shim := false
	for _, img := range r.Lock.Images {
		if !slices.Contains(platforms, img.Platform) {
			continue
		}
		for _, l := range img.Layers {
			ins, err := r.Lock.FindAll(l.Inputs)
			if err != nil {
				return nil, err
			}
			for _, in := range ins {
				add(in, false)
			}
		}
		v := r.Definition.Variant(img.Variant)
		shim = shim || v != nil && slices.ContainsFunc(v.Layers, func(l definition.Layer) bool { return l.Shim != nil })
	}
	if shim {
		if len(r.Toolchains) == 0 {
			return nil, errors.New("nothing is there that compiles the shim")
		}
		for _, in := range r.Toolchains {
			add(in, true)
		}
	}
	slices.SortFunc(all, func(a, b packedInput) int { return cmp.Compare(a.ID, b.ID) })
	return all, nil
}

// compose makes the manifest and the config.
func (p *Packed) compose(r Request) error {
	folder, err := packFolder(p.from.store, r)
	if err != nil {
		return err
	}
	adds := []mutate.Addendum{{Layer: folder, MediaType: types.OCILayer, History: v1.History{CreatedBy: "imgbuild bundle " + r.Definition.Name}}}
	p.Size = folder.Record().Size
	for _, in := range p.inputs {
		a := mutate.Addendum{
			Layer:     blob{in.Input, p.from},
			MediaType: InputType,
			History:   v1.History{CreatedBy: in.ID},
			Annotations: map[string]string{
				annotationInput:       in.ID,
				specs.AnnotationTitle: title(in.Input), // clients name the file so
			},
		}
		if in.toolchain {
			a.Annotations[annotationRole] = roleToolchain
		}
		adds = append(adds, a)
		p.Size += in.Size
	}
	img, err := mutate.Append(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON), adds...)
	if err != nil {
		return err
	}
	file, err := img.ConfigFile()
	if err != nil {
		return err
	}
	file = file.DeepCopy()
	file.OS, file.Architecture, _ = strings.Cut(p.Platforms[0], "/")
	if img, err = mutate.ConfigFile(img, file); err != nil {
		return err
	}
	p.Image = mutate.Annotations(img, map[string]string{
		annotationBundle:       Version,
		annotationDefinition:   r.Definition.Name,
		annotationLock:         r.Lock.Sum,
		annotationPlatforms:    strings.Join(p.Platforms, ","),
		specs.AnnotationTitle:  "what " + r.Definition.Name + " is made from",
		specs.AnnotationSource: build.Source,
	}).(v1.Image)
	return nil
}

// title is a file name for the input.
func title(in lock.Input) string {
	return strings.ReplaceAll(path.Base(in.Path), ":", "-")
}

// tags are those of a bundle.
func tags(l *lock.Lock, platforms []string) []string {
	part := ""
	all := map[string]bool{}
	for _, i := range l.Images {
		all[i.Platform] = true
	}
	if len(platforms) < len(all) {
		for _, p := range platforms {
			_, arch, _ := strings.Cut(p, "/")
			part += "-" + arch
		}
	}
	sum := strings.TrimPrefix(l.Sum, "sha256:")
	return []string{"bundle-" + sum[:16] + part, "bundle" + part}
}

// Fetch brings inputs into the store, several at once: those that want says
// yes to, or all where it is nil.
func (p *Packed) Fetch(ctx context.Context, want func(v1.Hash) bool) error {
	var files []lock.Input
	g, gctx := errgroup.WithContext(ctx)
	for _, in := range p.inputs {
		h := hash(in.Input)
		if want != nil && !want(h) {
			continue
		}
		if in.Kind != lock.KindImage {
			files = append(files, in.Input)
			continue
		}
		g.Go(func() error { return p.from.images.Fetch(gctx, in.Input) })
	}
	g.Go(func() error { return p.from.fetch.All(gctx, files) })
	return g.Wait()
}
