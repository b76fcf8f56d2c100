package release

import (
	"context"
	"errors"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/address"
	"github.com/imgbuild/imgbuild/pkg/build"
	"github.com/imgbuild/imgbuild/pkg/input/image"
	"github.com/imgbuild/imgbuild/pkg/layer"
	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/prove"
	"github.com/imgbuild/imgbuild/pkg/push"
	"github.com/imgbuild/imgbuild/pkg/sbom"
	"github.com/imgbuild/imgbuild/pkg/sign"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// Prover boots images; prove.Prover is one.
type Prover interface {
	Prove(ctx context.Context, img v1.Image, platform string) (prove.Proof, error)
}

// Options are what a release works with.
type Options struct {
	Store  *store.Store
	Engine build.Engine
	// Fetch and Images bring the inputs of bundles.
	Fetch  build.Fetcher
	Images []image.Option
	// Compression and Golang, the lock of the golang image inside imgbuild,
	// are named in provenance.
	Compression layer.Compression
	Golang      *lock.Lock
	// Prover is not needed where nothing is to be proven.
	Prover Prover
	Pusher *push.Pusher
	// Read says how attachments that are there are read.
	Read []image.Option
	// Inputs opens locked inputs, for licences.
	Inputs sbom.Opener
	// Key signs; nil for a release without signatures.
	Key sign.Key
	// Registries are the destinations, ready to be pushed to, with their names.
	Registries []address.Registry
	Names      []string
	// Version is imgbuild's; Identity is the same, or more where the version
	// does not tell one imgbuild from another. What is remembered is under it.
	Version, Identity string
	// Catalogue writes the page of a report into a folder. It leaves alone
	// what is right already.
	Catalogue func(ctx context.Context, dir string, r *Report) error
}

// Release is one run of a release.yaml.
type Release struct {
	o      Options
	c      *Config
	folder string // of the file
	items  []*Item
	key    sign.Key

	bundles []*inputs
}

// New returns a Release of the items that Select has found.
func New(c *Config, folder string, items []*Item, o Options) (*Release, error) {
	if len(o.Registries) == 0 || len(o.Registries) != len(o.Names) {
		return nil, errors.New("a release needs a destination")
	}
	r := &Release{o: o, c: c, folder: folder, items: items}
	if o.Key != nil {
		r.key = remembering(o.Store, o.Key)
	}
	return r, nil
}

// Result is what a run came to.
type Result struct {
	Report *Report
	// Done are the destinations that have everything, by name. Where it is not
	// all of them no tag was moved, unless moving them was what failed.
	Done []string
	// References are of the images that destinations have under their tags,
	// NAME:TAG@DIGEST, in the order of the images and destinations.
	References []string
	// Unchanged says that there was nothing to do.
	Unchanged bool
	// Sent counts bytes of image blobs, Signed new signatures and statements,
	// Moved tags.
	Sent   int64
	Signed int
	Moved  int
}

// Run does the release: all of it, or what is still missing of one that was
// interrupted. Nothing is pushed before every image is built and proven, and
// no tag is moved before every destination has all content. Where a
// destination fails the error is a *push.PartialError and the result says what
// there is.
func (r *Release) Run(ctx context.Context) (*Result, error) {
	if err := r.writable(); err != nil {
		return nil, err
	}
	before, err := r.readReport()
	if err != nil {
		return nil, err
	}
	all, err := r.build(ctx)
	if err != nil {
		return nil, err
	}
	if err := r.prove(ctx, all); err != nil {
		return nil, err
	}
	if err := r.describe(ctx, all); err != nil {
		return nil, err
	}
	if r.bundles, err = r.pack(ctx); err != nil {
		return nil, err
	}
	d, err := r.look(ctx, all)
	if err != nil {
		return nil, err
	}
	if err := r.compare(ctx, all, d, before); err != nil {
		return nil, err
	}
	res := &Result{}
	if err := r.deliver(ctx, all, d, res); err != nil {
		return res, err
	}
	if res.Report, err = r.report(all, d, before); err != nil {
		return res, err
	}
	res.References = references(res.Report)
	wrote, err := r.writeReport(res.Report, before)
	if err != nil {
		return res, err
	}
	if err := r.published(all); err != nil {
		return res, err
	}
	if r.c.Catalogue != "" && r.o.Catalogue != nil {
		if err := r.o.Catalogue(ctx, in(r.folder, r.c.Catalogue), res.Report); err != nil {
			return res, fmt.Errorf("the images are published; writing the catalogue: %w", err)
		}
	}
	res.Unchanged = !wrote && res.Sent == 0 && res.Signed == 0 && res.Moved == 0
	return res, nil
}

func references(r *Report) (out []string) {
	for _, img := range r.Images {
		for _, d := range r.Regions {
			if ref := img.References[d.Name]; ref != "" {
				out = append(out, ref)
			}
		}
	}
	return out
}

// platformOf is the last word of messages about one platform's image.
func platformOf(b *built, i int) string {
	return strings.Join([]string{b.String(), "for", b.Platforms[i].Platform}, " ")
}
