package sbom

import (
	"context"
	"fmt"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/lock"
)

// Opener opens a locked input. It is asked only for the few inputs whose
// licence the image itself does not have: what was taken without its
// package.json, or a Debian package without its copyright file.
type Opener func(ctx context.Context, in lock.Input) (io.ReadCloser, error)

type options struct {
	tool string
	open Opener
	temp func() (tempFile, error)
}

// Option changes how a document is made.
type Option func(*options)

// WithInputs lets licences be read from locked inputs. Without it, a licence
// that only an input tells is NoAssertion; with it, an input that cannot be
// opened is an error, so that a document never depends on what happens to be
// in a cache.
func WithInputs(open Opener) Option { return func(o *options) { o.open = open } }

// WithVersion writes imgbuild's version into the document.
func WithVersion(version string) Option {
	return func(o *options) {
		if version != "" {
			o.tool = "imgbuild-" + version
		}
	}
}

// Of reads the image and returns its bill of materials. locked is the entry of
// l that img was built from. The layers are streamed: what is held is a few
// hundred bytes a file, and the texts that describe packages. An image that
// does not fit the definition or unpacks to more than the limits allow
// (limits.go) is an error.
func Of(ctx context.Context, img v1.Image, d *definition.Definition, l *lock.Lock, locked lock.Image, opts ...Option) (*Document, error) {
	o := options{tool: "imgbuild", temp: osTemp}
	for _, opt := range opts {
		opt(&o)
	}
	doc, err := of(ctx, img, d, l, locked, o)
	if err != nil {
		return nil, fmt.Errorf("listing what is in %s %s %s for %s: %w", d.Name, locked.Version, locked.Variant, locked.Platform, err)
	}
	return doc, nil
}

func of(ctx context.Context, img v1.Image, d *definition.Definition, l *lock.Lock, locked lock.Image, o options) (*Document, error) {
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	digest, err := img.Digest()
	if err != nil {
		return nil, err
	}
	layers, err := img.Layers()
	if err != nil {
		return nil, err
	}
	origins, err := originsOf(d, l, locked, len(layers))
	if err != nil {
		return nil, err
	}
	t, err := flatten(ctx, layers, o)
	if err != nil {
		return nil, err
	}
	doc := &Document{
		Name: d.Name, Version: locked.Version, Variant: locked.Variant, Platform: locked.Platform,
		Digest: digest, Created: config.Created.UTC(), Tool: o.tool, Unpacked: t.unpacked,
	}
	b := newBuilder(ctx, doc, t, origins, o)
	b.root(d, config.Config.Labels)
	for _, step := range []func() error{b.debian, b.shim, b.npm, b.locked, b.base, b.modules, b.gems} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return doc, b.finish()
}
